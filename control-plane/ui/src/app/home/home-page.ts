import { ChangeDetectionStrategy, Component, computed, inject, signal, viewChild } from '@angular/core';
import { RouterLink } from '@angular/router';

import { AskedState } from '../components/asked-state';
import { Icon } from '../components/icon';
import { Lacks, Needs } from '../components/needs';
import { RunStateView } from '../components/run-state';
import { StateView } from '../components/state-view';
import { When } from '../components/when';
import { Api } from '../data/api/api';
import { Home, type HomeData } from '../data/api/operations';
import { asked } from '../data/resource';
import { RUN_STATES, type Shown } from '../domain/runs/states';
import { StartRunDialog } from '../runs/start-run';
import { shortId } from '../runs/run-words';

const EVERY_MS = 3000;
/** Last runs of a workflow that are drawn. */
const LAST_RUNS = 12;
/** Drafts that are listed before somebody asks for more. */
const DRAFTS_SHOWN = 4;

type RunRow = HomeData['runs']['nodes'][number];

interface Row {
  readonly name: string;
  readonly title: string;
  readonly version: number;
  readonly last: readonly (RunRow & { readonly shown: Shown })[];
  readonly newest: RunRow | null;
  readonly bad: boolean;
  /** The states of the last runs, oldest first. */
  readonly words: string;
  /** Whether somebody changes it now. */
  readonly draft: boolean;
}

/** Workflows with their last runs; what needs a person stands first. */
@Component({
  selector: 'ff-home',
  templateUrl: './home-page.html',
  imports: [AskedState, Icon, Lacks, Needs, RouterLink, RunStateView, StartRunDialog, StateView, When],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'page-view' },
})
export class HomePage {
  private readonly api = inject(Api);
  protected readonly home = asked(() => this.api.ask(Home, {}), EVERY_MS);
  private readonly starter = viewChild.required(StartRunDialog);
  protected readonly short = shortId;

  protected readonly rows = computed((): readonly Row[] => {
    const data = this.home.value();
    if (!data) return [];
    const drafts = new Set(data.drafts.nodes.map((draft) => draft.workflow));
    const rows = data.workflows.nodes.map((workflow): Row => {
      const runs = data.runs.nodes.filter((run) => run.workflow === workflow.name && !run.draft);
      const newest = runs[0] ?? null;
      const bad = newest !== null && ['failed', 'review', 'offline'].includes(RUN_STATES[newest.state].look);
      const last = runs.slice(0, LAST_RUNS).reverse().map((run) => ({ ...run, shown: RUN_STATES[run.state] }));
      return { ...workflow, newest, bad, last, draft: drafts.has(workflow.name), words: last.length === 0 ? 'no runs' : last.map((run) => run.shown.word).join(', ') };
    });
    return rows.sort((a, b) => Number(b.bad) - Number(a.bad) || (b.newest?.createdAtMs ?? 0) - (a.newest?.createdAtMs ?? 0) || a.name.localeCompare(b.name));
  });
  /** Drafts of what nobody has published yet. */
  protected readonly begun = computed(() => {
    const data = this.home.value();
    const published = new Set(data?.workflows.nodes.map((workflow) => workflow.name));
    return data?.drafts.nodes.filter((draft) => !published.has(draft.workflow)) ?? [];
  });
  /** The drafts that are shown: the newest, until somebody wants all. */
  protected readonly allDrafts = signal(false);
  protected readonly shownDrafts = computed(() => (this.allDrafts() ? this.begun() : this.begun().slice(0, DRAFTS_SHOWN)));
  /** What a person has to look at: questions, steps whose outcome is unknown, workflows whose newest run failed. */
  protected readonly needs = computed(() => {
    const data = this.home.value();
    if (!data) return [];
    const failed = data.failed.nodes.filter((run) => !run.draft && data.runs.nodes.find((other) => other.workflow === run.workflow && !other.draft)?.id === run.id);
    return [
      ...data.review.nodes.map((run) => ({ id: run.id, look: 'review', strong: run.workflow, text: 'does not know whether a step happened', more: run.waitingFor ?? '', link: `/runs/${run.id}`, action: 'Review' })),
      ...failed.map((run) => ({ id: run.id, look: 'failed', strong: run.workflow, text: 'failed', more: `run ${shortId(run.id)}`, link: `/runs/${run.id}`, action: 'Look' })),
      ...data.approvals.nodes.map((approval) => ({ id: approval.id, look: 'waiting', strong: approval.workflow, text: `asks: ${approval.title}`, more: `run ${shortId(approval.run)}`, link: `/approvals/${approval.id}`, action: 'Decide' })),
    ];
  });
  protected readonly silent = computed(() => this.home.value()?.hosts.filter((host) => !host.connected) ?? []);

  protected start(workflow: string): void {
    void this.starter().open(workflow);
  }
}
