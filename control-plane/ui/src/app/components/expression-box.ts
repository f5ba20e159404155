import { ChangeDetectionStrategy, Component, computed, ElementRef, inject, input, linkedSignal, output, signal, viewChild } from '@angular/core';

import { type Completion, complete, type Completions } from '../domain/expression/complete';
import { infer, type Scope } from '../domain/expression/infer';
import { parseExpression } from '../domain/expression/parser';
import { pieces } from '../domain/expression/template';
import { tyName } from '../domain/expression/types';
import { briefly } from '../domain/json';

let boxes = 0;

/**
 * A text with or without expressions. `=` at its left edge, or typed into an empty box, makes all of it one expression;
 * names and functions are completed as they are typed.
 */
@Component({
  selector: 'ff-expression-box',
  templateUrl: './expression-box.html',
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class ExpressionBox {
  private readonly host = inject<ElementRef<HTMLElement>>(ElementRef);
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
  protected readonly offers = computed((): Completions | null => {
    if (!this.open()) return null;
    const at = this.inner();
    if (!at) return null;
    const found = complete(at.source, this.caret() - at.start, this.scope());
    const typed = found.to > found.from || at.source.slice(0, found.from).endsWith('.') || at.source === '';
    return found.options.length > 0 && typed ? found : null;
  });
  protected readonly active = linkedSignal({ source: this.offers, computation: () => 0 });
  protected readonly verdict = computed(() => {
    const source = this.code() ? this.text() : (pieces(this.text())[0]?.expression ?? null);
    if (source === null || source.trim() === '' || source.trim() === 'else') return null;
    const { tree, mistakes } = parseExpression(source);
    const [mistake] = mistakes;
    if (mistake) return { wrong: mistake.message, gives: '', value: '' };
    const meaning = infer(tree, this.scope());
    // A part of a text says nothing about the whole, and any value is no news.
    if (!this.code() || (meaning.type.kind === 'any' && meaning.value === undefined)) return null;
    return { wrong: '', gives: tyName(meaning.type), value: meaning.value === undefined ? '' : briefly(meaning.value) };
  });

  focus(): void {
    this.area().nativeElement.focus();
  }

  /** The expression around the caret, and where it begins. */
  private inner(): { source: string; start: number } | null {
    if (this.code()) return { source: this.text(), start: 0 };
    const piece = pieces(this.text()).find((candidate) => candidate.inner <= this.caret() && this.caret() <= candidate.inner + candidate.expression.length);
    return piece ? { source: piece.expression, start: piece.inner } : null;
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
    const text = this.text().slice(0, from) + option.insert + this.text().slice(at.start + offers.to);
    const element = this.area().nativeElement;
    element.value = text;
    element.setSelectionRange(from + option.caret, from + option.caret);
    element.focus();
    this.text.set(text);
    this.caret.set(from + option.caret);
    this.open.set(option.kind !== 'function' && text.slice(from + option.caret).startsWith('.'));
    this.changed.emit(text);
  }

  protected close(): void {
    // A click on an offer takes the focus for a moment.
    setTimeout(() => {
      if (!this.host.nativeElement.contains(document.activeElement)) this.open.set(false);
    });
  }
}
