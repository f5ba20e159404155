import { describe, expect, it } from 'vitest';

import { readSession } from './session';

describe('what the door for sessions says', () => {
  it('is who is signed in, and what goes with their changes', () => {
    const answer = { needsSignIn: true, signedIn: true, workspace: 'acme', account: { name: 'ana', roles: ['owner'], permissions: ['runs'] }, csrf: 'c1' };
    expect(readSession(answer)).toEqual({ csrf: 'c1', state: { needed: true, workspace: 'acme', account: { name: 'ana', roles: ['owner'], permissions: ['runs'] } } });
  });

  it('is nobody before somebody signs in', () => {
    expect(readSession({ needsSignIn: true, signedIn: false, workspace: 'acme', account: null, csrf: null })).toEqual({ csrf: null, state: { needed: true, workspace: 'acme', account: null } });
  });

  it('is nothing in another form', () => {
    expect(readSession('hello')).toBeNull();
    expect(readSession({ signedIn: true })).toBeNull();
  });
});
