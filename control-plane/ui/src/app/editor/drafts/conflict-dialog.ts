import { ChangeDetectionStrategy, Component, computed, inject, linkedSignal, output, viewChild } from '@angular/core';

import { Dialog } from '../../components/dialog';
import { When } from '../../components/when';
import { clashes, mergedText, mergeTexts, type Piece, type Side } from '../../domain/text/merge';
import { EditorStore } from '../../state/editor-store';
import { DraftKeeper } from './draft-keeper';

/** Lines of one stretch that are shown. */
const LINES_SHOWN = 8;

type Row = Extract<Piece, { readonly kind: 'settled' }> | (Extract<Piece, { readonly kind: 'clash' }> & { readonly number: number });

/** Two windows changed one draft: both texts put together, what clashes decided by the person who saves later. */
@Component({
  selector: 'ff-conflict',
  templateUrl: './conflict-dialog.html',
  imports: [Dialog, When],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class ConflictDialog {
  private readonly store = inject(EditorStore);
  private readonly keeper = inject(DraftKeeper);
  private readonly dialog = viewChild.required(Dialog);
  readonly closed = output();
  protected readonly sides: readonly { readonly id: Side; readonly label: string }[] = [{ id: 'mine', label: 'Yours, in this window' }, { id: 'theirs', label: 'Theirs, on the control plane' }];
  protected readonly theirs = computed(() => {
    const state = this.keeper.state();
    return state.kind === 'conflict' ? state.theirs : null;
  });
  protected readonly heading = computed(() => `${this.store.graph().name} was saved by somebody else`);
  private readonly pieces = computed(() => {
    const theirs = this.theirs();
    return theirs === null ? [] : mergeTexts(theirs.base, this.store.text(), theirs.mark.text);
  });
  protected readonly count = computed(() => clashes(this.pieces()));
  protected readonly chosen = linkedSignal({ source: this.pieces, computation: (): readonly (Side | undefined)[] => [] });
  protected readonly merged = computed(() => mergedText(this.pieces(), this.chosen()));
  /** What is not alike, in the order of the text; clashes with their number. */
  protected readonly rows = computed(() => {
    let number = -1;
    return this.pieces().flatMap((piece): readonly Row[] => {
      if (piece.kind === 'clash') return [{ ...piece, number: (number += 1) }];
      return piece.from === 'both' ? [] : [{ ...piece, text: shortened(piece.text) }];
    });
  });

  open(): void {
    this.dialog().open();
  }

  protected choose(number: number, side: Side): void {
    this.chosen.update((sides) => {
      const next = [...sides];
      next[number] = side;
      return next;
    });
  }

  protected merge(): void {
    const text = this.merged();
    if (text !== null) this.end(text);
  }

  protected keepMine(): void {
    this.end(this.store.text());
  }

  protected take(): void {
    const theirs = this.theirs();
    if (theirs !== null) this.end(theirs.mark.text);
  }

  private end(text: string): void {
    const theirs = this.theirs();
    if (theirs === null) return;
    const own = this.store.layout();
    this.dialog().close();
    // Nodes stand where they stand here; those that only they have stand as they put them.
    this.keeper.settle(text, { positions: { ...theirs.layout.positions, ...own.positions }, notes: own.notes }, theirs);
  }
}

function shortened(text: string): string {
  const lines = text.split('\n');
  return lines.length <= LINES_SHOWN + 1 ? text : `${lines.slice(0, LINES_SHOWN).join('\n')}\n… ${String(lines.length - LINES_SHOWN)} more lines`;
}
