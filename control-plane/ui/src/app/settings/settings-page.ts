import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';

import { AskedState } from '../components/asked-state';
import { Icon } from '../components/icon';
import { NamesBox } from '../components/names-box';
import { Lacks, Needs } from '../components/needs';
import { When } from '../components/when';
import { Api, words } from '../data/api/api';
import { SetApproverGroup, Settings } from '../data/api/operations';
import { asked } from '../data/resource';
import { Messages } from '../state/messages';
import { Theme, type ThemeChoice } from '../state/theme';
import { SettingsNav } from './settings-nav';

/** What this browser and this workspace are set to: the theme, groups of approvers, and what is known of the control plane. */
@Component({
  selector: 'ff-settings',
  templateUrl: './settings-page.html',
  imports: [AskedState, Icon, Lacks, NamesBox, Needs, SettingsNav, When],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'page-view' },
})
export class SettingsPage {
  private readonly api = inject(Api);
  private readonly messages = inject(Messages);
  protected readonly theme = inject(Theme);
  protected readonly settings = asked(() => this.api.ask(Settings, {}), 0);
  protected readonly choices: readonly { readonly id: ThemeChoice; readonly label: string }[] = [{ id: 'system', label: 'As the system' }, { id: 'light', label: 'Light' }, { id: 'dark', label: 'Dark' }];
  protected readonly mistake = signal<string | null>(null);
  protected readonly groups = computed(() => this.settings.value()?.approverGroups ?? []);

  protected async setGroup(name: string, members: readonly string[], box?: HTMLInputElement): Promise<void> {
    if (name.trim() === '') {
      this.mistake.set('A group needs a name.');
      return;
    }
    this.mistake.set(null);
    try {
      const { setApproverGroup } = await this.api.ask(SetApproverGroup, { input: { name: name.trim(), members: [...members], add: [], remove: [] } });
      if (setApproverGroup.__typename === 'SetApproverGroupSuccess') {
        this.messages.done(members.length === 0 ? `The group ${name} is gone.` : `The group ${name} has ${String(members.length)} ${members.length === 1 ? 'member' : 'members'}.`);
        if (box) box.value = '';
      } else {
        this.mistake.set(setApproverGroup.__typename === 'InputProblem' ? setApproverGroup.fields.map((field) => `${field.path}: ${field.message}`).join('; ') : setApproverGroup.message);
      }
    } catch (error) {
      this.mistake.set(words(error));
    }
    this.settings.again();
  }

  protected add(name: HTMLInputElement, member: HTMLInputElement): void {
    const first = member.value.trim();
    if (first === '') {
      this.mistake.set('A group needs somebody who is in it.');
      return;
    }
    member.value = '';
    void this.setGroup(name.value, [first], name);
  }
}
