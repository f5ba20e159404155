import { ChangeDetectionStrategy, Component, computed, type ElementRef, inject, input, linkedSignal, output, signal, viewChild } from '@angular/core';

import { Icon } from '../../components/icon';
import { Catalogue } from '../../data/catalogue';
import type { Ty } from '../../domain/expression/types';
import { typeWords } from '../../domain/ports/controls';
import { type Offer, offersFor } from '../../domain/picker/search';

/** What was chosen, and whether it is to be connected to where the picker was opened from. */
export interface Picked {
  readonly offer: Offer;
  readonly connected: boolean;
}

/** Finds a node to add: built-ins, connectors, and the words of other products. */
@Component({
  selector: 'ff-add-picker',
  templateUrl: './add-picker.html',
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class AddPicker {
  private readonly catalogue = inject(Catalogue);
  /** The name of the node that the new one is to come after. */
  readonly source = input<string | null>(null);
  readonly given = input<Ty | null>(null);
  readonly picked = output<Picked>();
  readonly closed = output();
  protected readonly query = signal('');
  protected readonly groups = computed(() => offersFor(this.query(), this.catalogue.entries(), this.given()));
  protected readonly flat = computed(() => this.groups().flatMap((group) => group.offers));
  protected readonly active = linkedSignal({ source: this.flat, computation: () => 0 });
  protected readonly current = computed(() => this.flat()[this.active()] ?? null);
  private readonly dialog = viewChild.required<ElementRef<HTMLDialogElement>>('dialog');
  private readonly box = viewChild.required<ElementRef<HTMLInputElement>>('box');

  open(): void {
    this.query.set('');
    this.active.set(0);
    this.box().nativeElement.value = '';
    const element = this.dialog().nativeElement;
    if (!element.open) element.showModal();
    this.box().nativeElement.focus();
  }

  protected type(event: Event): void {
    if (event.target instanceof HTMLInputElement) this.query.set(event.target.value);
  }

  protected onKey(event: KeyboardEvent): void {
    const count = this.flat().length;
    if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && count > 0) {
      event.preventDefault();
      this.active.update((index) => (index + (event.key === 'ArrowDown' ? 1 : -1) + count) % count);
      document.getElementById(`offer-${String(this.active())}`)?.scrollIntoView({ block: 'nearest' });
    } else if (event.key === 'Enter') {
      event.preventDefault();
      const offer = this.current();
      if (offer) this.choose(offer, !event.shiftKey);
    }
  }

  protected choose(offer: Offer, connected: boolean): void {
    if (offer.type === 'unneeded') return;
    this.dialog().nativeElement.close();
    this.picked.emit({ offer, connected });
  }

  protected onClick(event: MouseEvent): void {
    if (event.target === this.dialog().nativeElement) this.dialog().nativeElement.close();
  }

  protected title(offer: Offer): string {
    switch (offer.type) {
      case 'kind':
        return offer.kind.title;
      case 'operation':
        return `${offer.entry.name}/${offer.operation.name}`;
      case 'unneeded':
        return offer.entry.title;
      case 'trigger':
        return offer.title;
    }
  }

  protected docs(offer: Offer): string {
    switch (offer.type) {
      case 'kind':
        return offer.also === null ? offer.kind.docs : `also called ${offer.also}`;
      case 'operation':
        return offer.operation.docs ?? offer.operation.title ?? '';
      case 'unneeded':
        return 'not needed';
      case 'trigger':
        return offer.docs;
    }
  }

  protected icon(offer: Offer): string {
    return offer.type === 'kind' ? offer.kind.icon : offer.type === 'unneeded' ? offer.entry.icon : offer.type === 'trigger' ? offer.icon : 'code';
  }

  protected ports(offer: Offer): { name: string; words: string }[] {
    return offer.type === 'operation' ? offer.operation.params.map((port) => ({ name: port.name, words: typeWords(port.ty) })) : [];
  }

  protected fields(offer: Offer): { name: string; words: string }[] {
    return offer.type === 'kind' ? offer.kind.fields.slice(0, 5).map((field) => ({ name: field.label, words: field.docs })) : [];
  }
}
