import { describe, expect, it } from 'vitest';

import { lacks, rightOf, rightWords, ROLES } from './rights';
import type { SessionState } from './session';

const viewer: SessionState = { needed: true, workspace: 'acme', account: { name: 'vic', roles: ['viewer'], permissions: ['read', 'keep-account'] } };

describe('rights', () => {
  it('says which right is missing, and who can change that', () => {
    expect(lacks(viewer, 'run')).toBe('Starting runs is not among what the role viewer may do. Whoever manages members can change that.');
    expect(lacks({ ...viewer, account: { name: 'vic', roles: [], permissions: [] } }, 'edit')).toContain('an account without a role');
  });

  it('refuses nothing that is held, and nothing where nobody signs in or nobody is known yet', () => {
    expect(lacks(viewer, 'read')).toBeNull();
    expect(lacks(null, 'run')).toBeNull();
    expect(lacks({ ...viewer, needed: false }, 'run')).toBeNull();
    expect(lacks({ ...viewer, account: null }, 'run')).toBeNull();
  });

  it('writes the rights of the API as the door does, and keeps those that it does not know', () => {
    expect(rightWords(rightOf('KEEP_SECRETS'))).toBe('Setting and deleting secrets');
    expect(rightWords(rightOf('FLY_TO_MARS'))).toBe('fly-to-mars');
    expect(new Set(ROLES.map((role) => role.word)).size).toBe(ROLES.length);
  });
});
