import { ChangeDetectionStrategy, Component, computed, input, model } from '@angular/core';

import { Icon } from '../components/icon';
import type { Round } from '../domain/runs/steps';

/** Chooses one round of a loop, or all of them; goes to the next one that failed. */
@Component({
  selector: 'ff-round-picker',
  template: `
    <div class="round-picker" role="group" [attr.aria-label]="'Rounds of ' + label()">
      <span class="small t2 cut">{{ label() }}</span>
      <button type="button" class="btn quiet icon" aria-label="Round before" [disabled]="at() <= 0" (click)="go(at() - 1)"><ff-icon name="chevron-right" size="s" class="back" /></button>
      @if (current(); as round) {
        <span class="num strong nowrap" [class]="'st ' + round.state">{{ round.words }}<span class="t3 plain">&nbsp;of {{ rounds().length }}</span></span>
      } @else {
        <span class="num nowrap">all {{ rounds().length }}</span>
      }
      <button type="button" class="btn quiet icon" aria-label="Round after" [disabled]="at() >= rounds().length - 1" (click)="go(at() + 1)"><ff-icon name="chevron-right" size="s" /></button>
      @if (failed().length > 0) {<button type="button" class="btn quiet danger" (click)="nextFailed()">{{ failed().length }} failed</button>}
      @if (selected() !== null) {<button type="button" class="btn quiet" (click)="selected.set(null)">All</button>}
    </div>
  `,
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class RoundPicker {
  readonly rounds = input.required<readonly Round[]>();
  readonly label = input.required<string>();
  readonly selected = model<string | null>(null);
  protected readonly at = computed(() => this.rounds().findIndex(({ round }) => round === this.selected()));
  protected readonly current = computed(() => this.rounds()[this.at()] ?? null);
  protected readonly failed = computed(() => this.rounds().filter(({ state }) => state === 'failed' || state === 'review'));

  protected go(index: number): void {
    const round = this.rounds()[index];
    if (round) this.selected.set(round.round);
  }

  protected nextFailed(): void {
    const rounds = this.rounds();
    const after = this.failed().find((round) => rounds.indexOf(round) > this.at()) ?? this.failed()[0];
    if (after) this.selected.set(after.round);
  }
}
