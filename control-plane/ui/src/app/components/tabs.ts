import { ChangeDetectionStrategy, Component, ElementRef, inject, input, model } from '@angular/core';

/** Tabs: arrows go from one to the next, and only the selected one is in the order of Tab. */
@Component({
  selector: 'ff-tabs',
  template: `
    <div class="tabs" role="tablist" [attr.aria-label]="label()" (keydown)="onKey($event)">
      @for (tab of tabs(); track tab.id) {
        <button
          type="button"
          role="tab"
          [id]="'tab-' + panel() + '-' + tab.id"
          [attr.aria-selected]="tab.id === selected()"
          [attr.aria-controls]="tab.id === selected() ? panel() : null"
          [tabindex]="tab.id === selected() ? 0 : -1"
          (click)="selected.set(tab.id)"
        >
          {{ tab.label }}
          @if (tab.count) {
            <span class="count">{{ tab.count }}</span>
          }
        </button>
      }
    </div>
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Tabs {
  private readonly host = inject<ElementRef<HTMLElement>>(ElementRef);
  readonly tabs = input.required<readonly { readonly id: string; readonly label: string; readonly count?: number }[]>();
  readonly label = input.required<string>();
  /** The id of the element that shows what the selected tab stands for. */
  readonly panel = input.required<string>();
  readonly selected = model.required<string>();

  protected onKey(event: KeyboardEvent): void {
    const tabs = this.tabs();
    const at = tabs.findIndex((tab) => tab.id === this.selected());
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const to = event.key === 'Home' ? 0 : event.key === 'End' ? tabs.length - 1 : step === undefined ? null : (at + step + tabs.length) % tabs.length;
    const tab = to === null ? undefined : tabs[to];
    if (!tab) return;
    event.preventDefault();
    this.selected.set(tab.id);
    this.host.nativeElement.querySelector<HTMLElement>(`[id="tab-${this.panel()}-${tab.id}"]`)?.focus();
  }
}
