/** What people may be allowed to do in a workspace: rights as the server names them, the roles that are made of them. */
import type { SessionState } from './session';

/** A right, as the door for sessions spells it, and what nobody without it does. */
const RIGHTS = {
  'read': 'Looking at workflows and runs',
  'read-audit': 'Reading who did what',
  'edit': 'Changing and trying drafts',
  'publish': 'Publishing',
  'run': 'Starting runs',
  'operate': 'Stopping, pausing and reviewing runs',
  'approve': 'Answering questions',
  'keep-secrets': 'Setting and deleting secrets',
  'manage-members': 'Inviting people and giving roles',
  'manage-hosts': 'Letting hosts in, draining and revoking them',
  'keep-account': 'Keeping an account',
} as const;

export type Right = keyof typeof RIGHTS;

/** What each role is for, in the order in which they are offered. */
export const ROLES = [
  { name: 'VIEWER', word: 'viewer', does: 'Looks at everything but secrets and the audit, and changes nothing.' },
  { name: 'BUILDER', word: 'builder', does: 'Writes and tries drafts, and starts runs.' },
  { name: 'OPERATOR', word: 'operator', does: 'Starts, stops and repairs runs.' },
  { name: 'PUBLISHER', word: 'publisher', does: 'Publishes workflows and connectors.' },
  { name: 'ADMIN', word: 'admin', does: 'Does all of it, and says who may what.' },
] as const;

export type RoleName = (typeof ROLES)[number]['name'];

/** A right of the API, `KEEP_SECRETS`, as the door spells it. */
export function rightOf(permission: string): string {
  return permission.toLowerCase().replaceAll('_', '-');
}

/** What somebody with this right does, for a list of rights. */
export function rightWords(right: string): string {
  return right in RIGHTS ? RIGHTS[right as Right] : right;
}

/** Why somebody may not do what needs this right, as a sentence; null if they may, or if it is not known who they are. */
export function lacks(state: SessionState | null, right: Right): string | null {
  if (state === null || !state.needed || state.account === null || state.account.permissions.includes(right)) return null;
  const roles = state.account.roles.map((role) => role.toLowerCase()).join(', ');
  return `${RIGHTS[right]} is not among what ${roles === '' ? 'an account without a role' : `the role ${roles}`} may do. Whoever manages members can change that.`;
}
