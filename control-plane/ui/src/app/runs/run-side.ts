import { ChangeDetectionStrategy, Component, computed, inject, input, model, signal } from '@angular/core';

import { Icon } from '../components/icon';
import { Tabs } from '../components/tabs';
import { ValueView } from '../components/value-view';
import { When } from '../components/when';
import { lastName, outputsOf } from '../domain/runs/records';
import { roundWords } from '../domain/runs/steps';
import { duration } from '../domain/timeline/timeline';
import { RunActions } from './run-actions';
import { RunStore } from './run-store';
import { ago } from './run-words';

/** Values and attempts that are shown at most. */
const SHOWN_MAX = 50;

/** About a run, or one node of it: its data, its attempts, its log, its receipt. */
@Component({
  selector: 'ff-run-side',
  templateUrl: './run-side.html',
  imports: [Icon, Tabs, ValueView, When],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class RunSide {
  protected readonly store = inject(RunStore);
  protected readonly actions = inject(RunActions);
  readonly node = input.required<string | null>();
  readonly round = input<string | null>(null);
  readonly all = model.required<string | null>();
  protected readonly tab = signal('data');
  protected readonly length = duration;
  protected readonly words = roundWords;
  protected readonly ago = ago;
  protected readonly what = computed(() => this.store.rows().find((row) => row.node === this.node())?.what ?? '');
  protected readonly progress = computed(() => this.store.progress().filter((said) => this.isOf(said.step)));
  protected readonly outputs = computed(() => {
    const node = this.node();
    return node === null ? [] : outputsOf(this.store.records(), node, this.round()).slice(-SHOWN_MAX);
  });
  /** Of a node every attempt; of the run those that somebody may look for. */
  protected readonly attempts = computed(() => {
    const all = [...this.store.steps().values()].flatMap(({ attempts }) => attempts).filter(({ step }) => this.isOf(step));
    const wanted = this.node() === null ? all.filter(({ state }) => state !== 'done') : all;
    return wanted.sort((a, b) => a.at - b.at).slice(-SHOWN_MAX);
  });
  protected readonly logs = computed(() => this.store.logs().filter((line) => this.isOf(line.step)));
  protected readonly tabs = computed(() => [
    { id: 'data', label: 'Data' },
    { id: 'attempts', label: 'Attempts', count: this.attempts().length },
    { id: 'log', label: 'Log', count: this.logs().length },
    { id: 'receipt', label: 'Receipt' },
  ]);

  /** Whether a step is one of the node that is looked at, in the round that is looked at. */
  private isOf(step: string): boolean {
    const [node, round] = [this.node(), this.round()];
    if (round !== null && !step.startsWith(`${round}.`)) return false;
    return node === null || lastName(step) === node || step.split(/[.[]/)[0] === node || step.includes(`.${node}[`);
  }
}
