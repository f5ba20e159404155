import { ChangeDetectionStrategy, Component, type ElementRef, input, output, viewChild } from '@angular/core';

import { Icon } from './icon';

let dialogs = 0;

/** A dialog. The browser keeps the focus in it and gives it back; Escape and a click beside it close it. */
@Component({
  selector: 'ff-dialog',
  template: `
    <dialog #dialog class="dialog" [style.--dialog-width.px]="width()" [attr.aria-labelledby]="id" (close)="closed.emit()" (click)="onClick($event)">
      <header>
        <h2 class="grow" [id]="id">{{ heading() }}</h2>
        <button type="button" class="btn quiet icon" aria-label="Close" (click)="close()"><ff-icon name="x" /></button>
      </header>
      <div class="body"><ng-content /></div>
      <footer><ng-content select="[dialogAction]" /></footer>
    </dialog>
  `,
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Dialog {
  /** Several dialogs stand in one page; each is named by its own heading. */
  protected readonly id = `dialog-${String(dialogs++)}`;
  readonly heading = input.required<string>();
  readonly width = input(520);
  readonly closed = output();
  private readonly dialog = viewChild.required<ElementRef<HTMLDialogElement>>('dialog');

  open(): void {
    const element = this.dialog().nativeElement;
    if (!element.open) element.showModal();
  }

  close(): void {
    this.dialog().nativeElement.close();
  }

  protected onClick(event: MouseEvent): void {
    if (event.target === this.dialog().nativeElement) this.close();
  }
}
