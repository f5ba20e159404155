import { computed, inject, Injectable, signal } from '@angular/core';

import { Api } from './api/api';
import { WorkflowNames } from './api/operations';

/** The names of published workflows, asked for when somebody first wants them; none while the control plane does not answer. */
@Injectable({ providedIn: 'root' })
export class PublishedNames {
  private readonly api = inject(Api);
  private readonly known = signal<readonly string[]>([]);
  private wanted = false;
  readonly names = computed(() => {
    if (!this.wanted) {
      this.wanted = true;
      void this.load();
    }
    return this.known();
  });

  private async load(): Promise<void> {
    try {
      const { workflows } = await this.api.ask(WorkflowNames, {});
      this.known.set(workflows.nodes.map(({ name }) => name));
    } catch {
      this.wanted = false;
    }
  }
}
