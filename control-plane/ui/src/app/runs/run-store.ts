import { computed, DestroyRef, inject, Injectable, signal } from '@angular/core';

import { Api, ApiError, words } from '../data/api/api';
import { DraftOf, RunDetail, type RunDetailData, RunEvidence, RunHeard, RunLogs, type RunLogsData, RunMoves, RunRecords, WorkflowText } from '../data/api/operations';
import { addLines, decodeLines, nodeOf, NO_RECORDS, type Records } from '../domain/runs/records';
import { isOver } from '../domain/runs/states';
import { progressWords } from './run-words';
import { stepsOf } from '../domain/runs/steps';
import { rowsOf } from '../domain/runs/table';
import { timelineOf } from '../domain/runs/timeline-of';

export type RunWhole = NonNullable<RunDetailData['run']>;
export type LogLines = NonNullable<RunLogsData['run']>['logs']['nodes'];

/** Parts of records that are read at most: each is up to 4 MiB. */
const PARTS_MAX = 8;
const LOGS_PAGE = 100;
const TICK_MS = 1000;
/** How often it is asked whether the host of a run is heard. */
const HEARD_MS = 3000;

/** One run that is looked at: its picture, its records, its log; fresh while it goes on. */
@Injectable()
export class RunStore {
  private readonly api = inject(Api);
  private id = '';
  private stop: (() => void) | null = null;
  private under = false;
  /** Whether it is to be asked for once more. */
  private readonly again = signal(false);
  readonly run = signal<RunWhole | null>(null);
  readonly failure = signal<string | null>(null);
  readonly missing = signal(false);
  /** Whether a right is missing. */
  readonly denied = signal(false);
  /** Why it is not followed now, if so. */
  readonly broken = signal<string | null>(null);
  readonly records = signal<Records>(NO_RECORDS);
  /** Whether the run has more records than are read here. */
  readonly cut = signal(false);
  readonly source = signal<string | null>(null);
  readonly logs = signal<LogLines>([]);
  readonly moreLogs = signal<string | null>(null);
  readonly now = signal(Date.now());

  readonly over = computed(() => {
    const run = this.run();
    return run !== null && isOver(run.state);
  });
  /** How far the attempts under way are, as their connectors said last. */
  readonly progress = computed(() => (this.over() ? [] : (this.run()?.progress ?? [])));
  readonly rows = computed(() => {
    const rows = rowsOf(this.run()?.view ?? null);
    const said = this.progress();
    if (said.length === 0) return rows;
    return rows.map((row) => {
      const own = said.find((one) => nodeOf(one.step) === row.node);
      return own && row.state === 'running' ? { ...row, what: progressWords(own) } : row;
    });
  });
  readonly steps = computed(() => stepsOf(this.records()));
  readonly timeline = computed(() => {
    const run = this.run();
    if (!run) return null;
    const facts = { host: run.host?.name ?? 'no host yet', createdAt: run.createdAtMs, endedAt: run.endedAtMs, now: this.over() ? 0 : this.now(), connected: run.host?.connected ?? true, rows: this.rows() };
    return timelineOf(this.records().records, facts);
  });

  constructor() {
    const timer = setInterval(() => { if (!this.over() && !document.hidden) this.now.set(Date.now()); }, TICK_MS);
    // A host that is gone sends no events: whether it is heard is asked for.
    const heard = setInterval(() => { if (this.id !== '' && !this.over() && !document.hidden) void this.hear(this.id); }, HEARD_MS);
    inject(DestroyRef).onDestroy(() => {
      clearInterval(timer);
      clearInterval(heard);
      this.stop?.();
    });
  }

  /** Looks at another run. */
  open(id: string): void {
    this.stop?.();
    this.id = id;
    this.run.set(null);
    this.missing.set(false);
    this.failure.set(null);
    this.records.set(NO_RECORDS);
    this.source.set(null);
    this.logs.set([]);
    this.moreLogs.set(null);
    // The first event comes at once, so that this also loads.
    this.stop = this.api.follow(RunMoves, { run: id }, () => { this.broken.set(null); void this.refresh(); }, (why) => { this.broken.set(why); });
    void this.refresh();
  }

  /** Looks at no run. */
  shut(): void {
    this.stop?.();
    this.stop = null;
    this.id = '';
    this.run.set(null);
    this.records.set(NO_RECORDS);
  }

  /** Asks for the run as it is now; once more, if it is asked for meanwhile. */
  async refresh(): Promise<void> {
    if (this.under) {
      this.again.set(true);
      return;
    }
    this.under = true;
    try {
      do {
        this.again.set(false);
        await this.load(this.id);
      } while (this.again());
    } finally {
      this.under = false;
    }
  }

  private async load(id: string): Promise<void> {
    try {
      const { run } = await this.api.ask(RunDetail, { id });
      if (id !== this.id) return;
      this.failure.set(null);
      if (!run) {
        this.missing.set(true);
        this.stop?.();
        return;
      }
      await this.readRecords(run);
      // Another run may have been chosen meanwhile.
      if (this.id !== id) return;
      this.run.set(run);
      this.now.set(Date.now());
      if (this.source() === null) await this.readSource(run);
      if (this.moreLogs() === null) await this.readLogs();
    } catch (error) {
      this.failure.set(words(error));
      this.denied.set(error instanceof ApiError && error.denied);
    }
  }

  private async hear(id: string): Promise<void> {
    try {
      const { run } = await this.api.ask(RunHeard, { id });
      const known = this.run();
      if (run && known && id === this.id && (run.host?.name !== known.host?.name || run.host?.connected !== known.host?.connected)) this.run.set({ ...known, host: run.host });
    } catch {
      // The page says that nothing answers; it is asked again.
    }
  }

  private async readRecords(run: RunWhole): Promise<void> {
    let known = this.records();
    for (let part = 0; part < PARTS_MAX; part += 1) {
      const from = (known.records.at(-1)?.seq ?? -1) + 1;
      if (from >= run.records) break;
      const { run: answer } = await this.api.ask(RunRecords, { id: run.id, from });
      const evidence = answer?.evidence;
      if (!evidence) break;
      const next = addLines(known, decodeLines(evidence.lines));
      const stuck = next.records.length === known.records.length;
      known = next;
      if (stuck || evidence.nextSeq === null) break;
    }
    this.cut.set((known.records.at(-1)?.seq ?? -1) + 1 < run.records);
    this.records.set(known);
  }

  private async readSource(run: RunWhole): Promise<void> {
    if (run.draft) {
      // A try has no version: the draft as it is now is what comes nearest to what ran.
      const { draft, workflow } = await this.api.ask(DraftOf, { name: run.workflow });
      this.source.set(draft?.source ?? workflow?.versions.find((version) => version.version === workflow.version)?.source ?? '');
      return;
    }
    const { workflow } = await this.api.ask(WorkflowText, { name: run.workflow });
    this.source.set(workflow?.versions.find((version) => version.version === run.version)?.source ?? '');
  }

  /** Reads the log from where it was read to. */
  async readLogs(after: string | null = null): Promise<void> {
    const { run } = await this.api.ask(RunLogs, { id: this.id, first: LOGS_PAGE, after });
    if (!run) return;
    this.logs.update((lines) => (after === null ? run.logs.nodes : [...lines, ...run.logs.nodes]));
    this.moreLogs.set(run.logs.pageInfo.hasNextPage ? run.logs.pageInfo.endCursor : null);
  }

  /** The signed documents and all records, as the server keeps them: what is needed to check the run without it. */
  async evidence(): Promise<{ readonly name: string; readonly parts: readonly unknown[] } | null> {
    const parts: unknown[] = [];
    let from = 0;
    for (;;) {
      const { run } = await this.api.ask(RunEvidence, { id: this.id, from });
      if (!run?.evidence) return null;
      parts.push(run.evidence);
      if (run.evidence.nextSeq === null) return { name: `${run.workflow}-${run.id}`, parts };
      from = run.evidence.nextSeq;
    }
  }
}
