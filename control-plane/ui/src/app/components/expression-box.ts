import { ChangeDetectionStrategy, Component, computed, DestroyRef, effect, ElementRef, inject, input, linkedSignal, output, signal, untracked, viewChild } from '@angular/core';

import { type Completion, complete, type Completions } from '../domain/expression/complete';
import { type Scope } from '../domain/expression/infer';
import { pieces } from '../domain/expression/template';
import type { DataPart } from '../domain/expression/use';
import { parseJson } from '../domain/json-text';
import { ExpressionTarget, PART_TYPE, type Taker } from './expression-target';
import { PREVIEWER, type Seen } from './previewer';
import { mergedOffers, verdictOf } from './expression-verdict';

let boxes = 0;

/** Pause between a key and the question, milliseconds: keys that come together are one question. */
const LOOK_AFTER_MS = 10;
const QUIET_AFTER_MS = 120;

/**
 * A text with or without expressions. `=` at its left edge, or typed into an empty box, makes all of it one expression.
 * Names and functions are completed from types and data; the engine says its value below, or what is wrong and where.
 */
@Component({
  selector: 'ff-expression-box',
  templateUrl: './expression-box.html',
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class ExpressionBox {
  private readonly host = inject<ElementRef<HTMLElement>>(ElementRef);
  private readonly previewer = inject(PREVIEWER, { optional: true });
  private readonly target = inject(ExpressionTarget);
  readonly value = input.required<string>();
  /** Whether the whole text is an expression. */
  readonly code = input(false);
  /** Whether it is always one, so that there is nothing to switch. */
  readonly fixed = input(false);
  readonly label = input.required<string>();
  readonly placeholder = input('');
  readonly scope = input<Scope>(new Map());
  readonly invalid = input(false);
  readonly changed = output<string>();
  readonly codeChanged = output<boolean>();

  protected readonly id = `box-${String(boxes++)}`;
  private readonly area = viewChild.required<ElementRef<HTMLTextAreaElement>>('area');
  protected readonly text = linkedSignal(this.value);
  private readonly caret = signal(0);
  private readonly open = signal(false);
  private readonly focused = signal(false);
  protected readonly over = signal(false);
  /** What the engine said last, and of which text. */
  private readonly seen = signal<{ readonly text: string; readonly caret: number; readonly answer: Seen } | null>(null);
  private readonly taker: Taker = { label: () => this.label(), take: (part) => { this.put(part); } };
  protected readonly offers = computed((): Completions | null => {
    if (!this.open()) return null;
    const at = this.inner();
    if (!at) return null;
    const seen = this.seen();
    const own = complete(at.source, this.caret() - at.start, this.scope());
    const found = seen?.text === this.text() && seen.caret === this.caret() ? mergedOffers(own, seen.answer.completions, at.start) : own;
    const typed = found.to > found.from || at.source.slice(0, found.from).endsWith('.') || at.source === '';
    return found.options.length > 0 && typed ? found : null;
  });
  protected readonly active = linkedSignal({ source: this.offers, computation: () => 0 });
  private readonly whole = computed(() => this.code() || this.fixed());
  protected readonly verdict = computed(() => {
    const seen = this.seen();
    // Whoever is offered what can come next is not done yet.
    if (this.offers() !== null && seen?.answer.fault && seen.answer.fault.start >= this.text().length) return null;
    return verdictOf(this.text(), this.whole(), this.scope(), seen?.text === this.text() ? seen.answer : null);
  });
  /** The text before what is wrong, that itself, and what follows: for the line under it. */
  protected readonly mirror = computed(() => {
    const at = this.verdict()?.at;
    return at ? { before: this.text().slice(0, at.from), wrong: this.text().slice(at.from, Math.max(at.to, at.from + 1)) || ' ', after: this.text().slice(Math.max(at.to, at.from + 1)) } : null;
  });

  constructor() {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let asked = 0;
    effect(() => {
      const [text, focused] = [this.text(), this.focused()];
      const caret = this.caret();
      const whole = this.whole();
      this.previewer?.version();
      clearTimeout(timer);
      const previewer = this.previewer;
      if (!previewer || text.trim() === '' || text.trim() === 'else' || (!whole && !text.includes('${'))) return;
      timer = setTimeout(() => {
        asked += 1;
        const own = asked;
        const at = focused ? Math.min(caret, text.length) : null;
        void previewer.look(text, !whole, at).then((answer) => {
          if (own === asked && answer) this.seen.set({ text, caret, answer });
        });
      }, focused ? LOOK_AFTER_MS : QUIET_AFTER_MS);
    });
    inject(DestroyRef).onDestroy(() => {
      clearTimeout(timer);
      this.target.gone(this.taker);
    });
  }

  focus(): void {
    this.area().nativeElement.focus();
  }

  /** The expression around the caret, and where it begins. */
  private inner(): { source: string; start: number } | null {
    if (this.code()) return { source: this.text(), start: 0 };
    const piece = pieces(this.text()).find((candidate) => candidate.inner <= this.caret() && this.caret() <= candidate.inner + candidate.expression.length);
    return piece ? { source: piece.expression, start: piece.inner } : null;
  }

  protected onFocus(): void {
    this.focused.set(true);
    this.target.focused(this.taker);
  }

  protected onInput(): void {
    const element = this.area().nativeElement;
    if (element.value === '=' && !this.code() && !this.fixed()) {
      element.value = '';
      this.text.set('');
      this.codeChanged.emit(true);
      return;
    }
    this.text.set(element.value);
    this.caret.set(element.selectionStart);
    this.open.set(true);
    this.changed.emit(element.value);
  }

  protected onCaret(): void {
    this.caret.set(this.area().nativeElement.selectionStart);
  }

  protected onKey(event: KeyboardEvent): void {
    const offers = this.offers();
    if (offers) {
      const count = offers.options.length;
      if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
        event.preventDefault();
        this.active.update((index) => (index + (event.key === 'ArrowDown' ? 1 : -1) + count) % count);
        this.host.nativeElement.querySelector(`#${this.id}-${String(this.active())}`)?.scrollIntoView({ block: 'nearest' });
        return;
      }
      if (event.key === 'Enter' || event.key === 'Tab') {
        const option = offers.options[this.active()];
        if (option) {
          event.preventDefault();
          this.take(option);
          return;
        }
      }
      if (event.key === 'Escape') {
        event.preventDefault();
        event.stopPropagation();
        this.open.set(false);
        return;
      }
    }
    if (event.key === ' ' && event.ctrlKey) {
      event.preventDefault();
      this.open.set(true);
    }
  }

  protected take(option: Completion): void {
    const offers = this.offers();
    const at = this.inner();
    if (!offers || !at) return;
    const from = at.start + offers.from;
    this.write(this.text().slice(0, from) + option.insert + this.text().slice(at.start + offers.to), from + option.caret);
    this.open.set(option.kind !== 'function' && this.text().slice(from + option.caret).startsWith('.'));
  }

  private write(text: string, caret: number): void {
    const element = this.area().nativeElement;
    element.value = text;
    element.setSelectionRange(caret, caret);
    element.focus();
    this.text.set(text);
    this.caret.set(caret);
    this.changed.emit(text);
  }

  protected onDrag(event: DragEvent): void {
    if (!event.dataTransfer?.types.includes(PART_TYPE)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'copy';
    this.over.set(true);
  }

  protected onDrop(event: DragEvent): void {
    this.over.set(false);
    const text = event.dataTransfer?.getData(PART_TYPE) ?? '';
    if (text === '') return;
    event.preventDefault();
    this.put(parseJson(text) as unknown as DataPart);
  }

  /** Puts a part of the data in: as the expression, into the one that is there, or into the text. */
  private put({ expression }: DataPart): void {
    const [text, caret] = [this.text(), Math.min(this.caret(), this.text().length)];
    if (this.whole()) {
      const joined = text.trim() === '' ? expression : text.slice(0, caret) + expression + text.slice(caret);
      this.write(joined, text.trim() === '' ? expression.length : caret + expression.length);
    } else if (text.trim() === '') {
      this.codeChanged.emit(true);
      untracked(() => { this.write(expression, expression.length); });
    } else {
      const piece = `\${${expression}}`;
      this.write(text.slice(0, caret) + piece + text.slice(caret), caret + piece.length);
    }
  }

  protected close(): void {
    // A click on an offer takes the focus for a moment.
    setTimeout(() => {
      if (this.host.nativeElement.contains(document.activeElement)) return;
      this.open.set(false);
      this.focused.set(false);
    });
  }
}
