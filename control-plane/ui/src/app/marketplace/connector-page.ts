import { ChangeDetectionStrategy, Component, computed, effect, inject, input, signal, untracked } from '@angular/core';
import { Router, RouterLink } from '@angular/router';

import { AskedState } from '../components/asked-state';
import { Icon } from '../components/icon';
import { StateView } from '../components/state-view';
import { Tabs } from '../components/tabs';
import { When } from '../components/when';
import { Api, words } from '../data/api/api';
import { isInterface } from '../data/catalogue';
import { OneConnector } from '../data/api/operations';
import { asked } from '../data/resource';
import { workflowWith } from '../domain/marketplace/begin';
import { effectWords, isPure, reachOf, sizeWords } from '../domain/marketplace/reach';
import { typeWords } from '../domain/ports/controls';
import type { Operation, Port } from '../domain/ports/interface';
import { EditorStore } from '../state/editor-store';
import { Messages } from '../state/messages';
import { DocsView } from './docs-view';

const TABS = [{ id: 'operations', label: 'Operations' }, { id: 'reach', label: 'Reach' }, { id: 'versions', label: 'Versions' }] as const;

/** One connector: what it offers, what it asks for, its versions, and how a workflow uses it. What its author wrote is text. */
@Component({
  selector: 'ff-connector',
  templateUrl: './connector-page.html',
  imports: [AskedState, DocsView, Icon, RouterLink, StateView, Tabs, When],
  changeDetection: ChangeDetectionStrategy.OnPush,
  host: { class: 'page-view' },
})
export class ConnectorPage {
  private readonly api = inject(Api);
  private readonly router = inject(Router);
  private readonly editor = inject(EditorStore);
  private readonly messages = inject(Messages);
  readonly name = input.required<string>();
  readonly version = input<string>();
  protected readonly tabs = TABS;
  protected readonly tab = signal<string>('operations');
  protected readonly asked = asked(() => this.api.ask(OneConnector, { name: this.name(), version: this.version() ?? null }), 0, true);
  protected readonly connector = computed(() => this.asked.value()?.connector ?? null);
  protected readonly shape = computed(() => {
    const shape = this.connector()?.interface;
    return shape !== undefined && isInterface(shape) ? shape : null;
  });
  protected readonly reach = computed(() => (this.connector()?.capabilities ?? []).map((capability) => ({ capability, ...reachOf(capability) })));
  protected readonly pure = computed(() => isPure(this.connector()?.capabilities ?? []));
  protected readonly newest = computed(() => this.connector()?.versions[0] ?? null);
  protected readonly size = sizeWords;
  protected readonly effectWords = effectWords;

  constructor() {
    effect(() => {
      this.name();
      this.version();
      untracked(() => {
        this.asked.again();
      });
    });
  }

  protected type(port: Port): string {
    return typeWords(port.ty);
  }

  protected gives(operation: Operation): string {
    return operation.result ? typeWords(operation.result) : 'nothing';
  }

  protected call(operation: Operation): string {
    return `call: ${this.name()}/${operation.name}`;
  }

  protected async copy(text: string, what: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      this.messages.done(`${what} is in the clipboard.`);
    } catch (error) {
      this.messages.refused(words(error));
    }
  }

  /** Opens the editor on a workflow that begins with this operation. */
  protected use(operation: Operation): void {
    this.editor.open(workflowWith(this.name(), operation));
    void this.router.navigate(['/editor']);
  }
}
