import { ChangeDetectionStrategy, Component, computed, inject, signal, viewChild } from '@angular/core';

import { AskedState } from '../components/asked-state';
import { Dialog } from '../components/dialog';
import { Given } from '../components/given';
import { Icon } from '../components/icon';
import { Lacks, Needs } from '../components/needs';
import { StateView } from '../components/state-view';
import { When } from '../components/when';
import { Api, words } from '../data/api/api';
import { Invitations, InviteMember, MemberList, type MemberListData, RemoveMember, ResetPassword, SetMemberRoles, WithdrawInvitation } from '../data/api/operations';
import { asked } from '../data/resource';
import { Session } from '../data/session';
import { rightOf, type RoleName, ROLES, rightWords } from '../domain/session/rights';
import { Messages } from '../state/messages';
import { RoleBoxes } from './role-boxes';
import { SettingsNav } from './settings-nav';

const EVERY_MS = 5000;
/** Members that are read at most, in pages of 100. */
const MEMBERS_MAX = 1000;

/** What somebody is about to do with whom. */
interface Wanted {
  readonly does: 'invite' | 'roles' | 'password' | 'remove';
  /** Name of the member; empty for an invitation. */
  readonly name: string;
}
interface Link {
  readonly address: string;
  readonly expiresAtMs: number;
}
/** What all of these changes answer: what was wrong, or a link where one was made. */
interface Answer {
  readonly __typename: string;
  readonly message?: string;
  readonly fields?: readonly { readonly message: string }[];
  readonly link?: Link;
}

const HEADINGS = { invite: 'Invite somebody', roles: 'Roles of ', password: 'A new password for ', remove: 'Remove ' } as const;
const LINK_KINDS: Readonly<Record<string, string>> = { FIRST_ADMINISTRATOR: 'the first administrator', INVITATION: 'a new member', PASSWORD_RESET: 'a new password of ' };

/** Who belongs to the workspace, with which roles; who is invited; and what each role may do. */
@Component({
  selector: 'ff-members',
  templateUrl: './members-page.html',
  imports: [AskedState, Dialog, Given, Icon, Lacks, Needs, RoleBoxes, SettingsNav, StateView, When],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'page-view' },
})
export class MembersPage {
  private readonly api = inject(Api);
  private readonly messages = inject(Messages);
  protected readonly session = inject(Session);
  protected readonly list = asked(() => this.all(), EVERY_MS);
  /** Only who manages members sees who is invited. */
  private readonly links = asked(async () => (this.session.lacks('manage-members') === null ? this.api.ask(Invitations, {}) : null), EVERY_MS);
  protected readonly alone = computed(() => this.session.state()?.needed === false);
  protected readonly invitations = computed(() =>
    (this.links.value()?.invitations ?? []).map((one) => ({ ...one, what: `${LINK_KINDS[one.kind ?? ''] ?? 'something that this page does not know'}${one.kind === 'PASSWORD_RESET' ? (one.account ?? '') : ''}` })),
  );
  protected readonly roles = computed(() => (this.list.value()?.roles ?? []).map(({ role, permissions }) => ({ role: this.word(role), may: permissions.map((one) => rightWords(rightOf(one))) })));
  protected readonly wanted = signal<Wanted | null>(null);
  protected readonly heading = computed(() => {
    const wanted = this.wanted();
    return wanted === null ? '' : `${HEADINGS[wanted.does]}${wanted.name}`;
  });
  protected readonly chosen = signal<readonly RoleName[]>([]);
  protected readonly link = signal<Link | null>(null);
  protected readonly mistake = signal<string | null>(null);
  protected readonly busy = signal(false);
  private readonly dialog = viewChild.required(Dialog);

  protected word(role: string): string {
    return ROLES.find(({ name }) => name === role)?.word ?? role.toLowerCase();
  }

  protected open(does: Wanted['does'], name = '', roles: readonly string[] = []): void {
    this.wanted.set({ does, name });
    this.chosen.set(ROLES.map((role) => role.name).filter((role) => (does === 'invite' ? role === 'VIEWER' : roles.includes(role))));
    this.link.set(null);
    this.mistake.set(null);
    this.dialog().open();
  }

  protected dialogClose(): void {
    this.closed();
    this.dialog().close();
  }

  /** What was told once does not stay in the page. */
  protected closed(): void {
    this.link.set(null);
  }

  protected async confirm(): Promise<void> {
    const wanted = this.wanted();
    if (wanted === null) return;
    const { name } = wanted;
    const roles = [...this.chosen()];
    if ((wanted.does === 'invite' || wanted.does === 'roles') && roles.length === 0) {
      this.mistake.set('Choose one role at least.');
      return;
    }
    this.busy.set(true);
    this.mistake.set(null);
    try {
      switch (wanted.does) {
        case 'invite': this.took((await this.api.ask(InviteMember, { input: { roles } })).inviteMember, ''); break;
        case 'password': this.took((await this.api.ask(ResetPassword, { input: { name } })).resetPassword, ''); break;
        case 'roles': this.took((await this.api.ask(SetMemberRoles, { input: { name, roles } })).setMemberRoles, `${name} is ${roles.map((role) => this.word(role)).join(', ')} now.`); break;
        case 'remove': this.took((await this.api.ask(RemoveMember, { input: { name } })).removeMember, `${name} is no member any more.`); break;
      }
    } catch (error) {
      this.mistake.set(words(error));
    } finally {
      this.busy.set(false);
      this.list.again();
      this.links.again();
    }
  }

  protected async withdraw(id: string): Promise<void> {
    try {
      const { withdrawInvitation } = await this.api.ask(WithdrawInvitation, { input: { id } });
      if (withdrawInvitation.__typename === 'WithdrawInvitationSuccess') this.messages.done('The link opens nothing any more.');
      else this.messages.refused(withdrawInvitation.message);
    } catch (error) {
      this.messages.refused(words(error));
    }
    this.links.again();
  }

  private took(answer: Answer, done: string): void {
    if (!answer.__typename.endsWith('Success')) this.mistake.set(answer.fields?.map((field) => field.message).join('; ') ?? answer.message ?? '');
    else if (answer.link) this.link.set(answer.link);
    else {
      this.dialog().close();
      this.messages.done(done);
    }
  }

  private async all(): Promise<MemberListData & { readonly people: MemberListData['members']['nodes']; readonly more: boolean }> {
    const first = await this.api.ask(MemberList, { after: null });
    let { members } = first;
    const people = [...members.nodes];
    while (members.pageInfo.hasNextPage && people.length < MEMBERS_MAX) {
      ({ members } = await this.api.ask(MemberList, { after: members.pageInfo.endCursor }));
      people.push(...members.nodes);
    }
    return { ...first, people, more: members.pageInfo.hasNextPage };
  }
}
