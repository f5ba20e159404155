import { ChangeDetectionStrategy, Component, computed, type ElementRef, input, linkedSignal, output, viewChild } from '@angular/core';

import { type Command, matchingCommands } from '../state/commands';
import { Icon } from './icon';

/** Finds a command by a few letters: arrows choose, Enter does. */
@Component({
  selector: 'ff-command-list',
  templateUrl: './command-list.html',
  imports: [Icon],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'command' },
})
export class CommandList {
  readonly commands = input.required<readonly Command[]>();
  readonly label = input('Find or do');
  readonly chosen = output<Command>();
  readonly query = linkedSignal<readonly Command[], string>({ source: this.commands, computation: (_, previous) => previous?.value ?? '' });
  protected readonly groups = computed(() => matchingCommands(this.commands(), this.query()));
  protected readonly flat = computed(() => this.groups().flatMap((group) => group.commands));
  protected readonly active = linkedSignal({ source: this.flat, computation: () => 0 });
  private readonly box = viewChild.required<ElementRef<HTMLInputElement>>('box');

  focus(): void {
    this.query.set('');
    this.box().nativeElement.value = '';
    this.box().nativeElement.focus();
  }

  protected type(event: Event): void {
    if (event.target instanceof HTMLInputElement) this.query.set(event.target.value);
  }

  protected onKey(event: KeyboardEvent): void {
    const count = this.flat().length;
    if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && count > 0) {
      event.preventDefault();
      const step = event.key === 'ArrowDown' ? 1 : -1;
      this.active.update((index) => (index + step + count) % count);
      document.getElementById(`command-${this.flat()[this.active()]?.id ?? ''}`)?.scrollIntoView({ block: 'nearest' });
    } else if (event.key === 'Enter') {
      event.preventDefault();
      const command = this.flat()[this.active()];
      if (command) this.choose(command);
    }
  }

  protected choose(command: Command): void {
    if (command.disabled === undefined) this.chosen.emit(command);
  }
}
