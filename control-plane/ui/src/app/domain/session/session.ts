/** Who looks at a page, as the server's door for sessions tells it. */
import { isList, isObject, type Json } from '../json';

/** Who is signed in. */
export interface Account {
  readonly name: string;
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
}

/** What is known of whoever looks at this page. */
export interface SessionState {
  /** Whether this server has a sign-in at all: `flowforge dev` has none. */
  readonly needed: boolean;
  readonly workspace: string;
  readonly account: Account | null;
}

/** What the door says, if it says it in the form that is known. */
export function readSession(answer: Json): { readonly state: SessionState; readonly csrf: string | null } | null {
  if (!isObject(answer) || typeof answer['needsSignIn'] !== 'boolean') return null;
  const account = answer['account'];
  const csrf = answer['csrf'];
  return {
    csrf: typeof csrf === 'string' ? csrf : null,
    state: {
      needed: answer['needsSignIn'],
      workspace: typeof answer['workspace'] === 'string' ? answer['workspace'] : '',
      account: isObject(account) && typeof account['name'] === 'string' ? { name: account['name'], roles: texts(account['roles']), permissions: texts(account['permissions']) } : null,
    },
  };
}

function texts(list: Json | undefined): string[] {
  return isList(list) ? list.filter((one): one is string => typeof one === 'string') : [];
}
