import { ChangeDetectionStrategy, Component, computed, inject } from '@angular/core';
import { RouterLink } from '@angular/router';

import { AskedState } from '../components/asked-state';
import { Icon } from '../components/icon';
import { RunStateView } from '../components/run-state';
import { StateView } from '../components/state-view';
import { When } from '../components/when';
import { Api, words } from '../data/api/api';
import { TriggerList } from '../data/api/operations';
import { asked } from '../data/resource';
import { isStartedBy, triggersOf } from '../domain/runs/triggers';
import { shortId } from '../runs/run-words';
import { Deliveries } from './deliveries';
import { Messages } from '../state/messages';

const EVERY_MS = 5000;

/** What starts runs by itself: webhooks with their addresses, schedules with their time tables, and the last run of each. */
@Component({
  selector: 'ff-triggers',
  templateUrl: './triggers-page.html',
  imports: [AskedState, Deliveries, Icon, RouterLink, RunStateView, StateView, When],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'page-view' },
})
export class TriggersPage {
  private readonly api = inject(Api);
  private readonly messages = inject(Messages);
  protected readonly list = asked(() => this.api.ask(TriggerList, {}), EVERY_MS);
  protected readonly short = shortId;
  protected readonly rows = computed(() => {
    const data = this.list.value();
    if (!data) return [];
    const known = new Set(data.secrets.map(({ name }) => name));
    return data.workflows.nodes.flatMap((workflow) =>
      triggersOf(workflow.triggers).map((trigger) => ({
        ...trigger,
        id: `${workflow.name}/${trigger.name}`,
        workflow: workflow.name,
        version: workflow.version,
        address: trigger.path === null ? null : `${location.origin}/${trigger.type === 'form' ? 'forms' : 'hooks'}/${trigger.path}`,
        unset: trigger.secret !== null && !known.has(trigger.secret),
        last: data.runs.nodes.find((run) => run.workflow === workflow.name && isStartedBy(run.trigger, trigger)) ?? null,
      })),
    );
  });

  /** Whether anything can come at all. */
  protected readonly hooked = computed(() => this.rows().some((row) => row.address !== null));

  protected async copy(address: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(address);
      this.messages.done('The address is in the clipboard.');
    } catch (error) {
      this.messages.refused(words(error));
    }
  }
}
