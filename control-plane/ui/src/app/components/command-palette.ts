import { ChangeDetectionStrategy, Component, type ElementRef, inject, viewChild } from '@angular/core';

import { type Command, Commands } from '../state/commands';
import { CommandList } from './command-list';

/** The palette that finds every action: Ctrl K. */
@Component({
  selector: 'ff-command-palette',
  template: `
    <dialog #dialog class="dialog sheet-top" [style.--dialog-width.px]="640" aria-label="Find or do" (click)="onClick($event)">
      <ff-command-list [commands]="commands.all()" (chosen)="choose($event)" />
    </dialog>
  `,
  imports: [CommandList],
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class CommandPalette {
  protected readonly commands = inject(Commands);
  private readonly dialog = viewChild.required<ElementRef<HTMLDialogElement>>('dialog');
  private readonly list = viewChild.required(CommandList);

  open(): void {
    const element = this.dialog().nativeElement;
    if (!element.open) element.showModal();
    this.list().focus();
  }

  protected choose(command: Command): void {
    this.dialog().nativeElement.close();
    command.run();
  }

  protected onClick(event: MouseEvent): void {
    if (event.target === this.dialog().nativeElement) this.dialog().nativeElement.close();
  }
}
