import { computed, inject, Injectable, signal } from '@angular/core';

import { isList, isObject, type Json } from '../domain/json';
import type { CatalogueEntry, ConnectorInterface, Operation } from '../domain/ports/interface';
import { Api } from './api/api';
import { ConnectorList, type ConnectorListData } from './api/operations';

/** Pages of connectors that are read at most, of 100 each. */
const PAGES_MAX = 10;

/** The connectors that can be called, as the control plane has them; none until it has answered. */
@Injectable({ providedIn: 'root' })
export class Catalogue {
  private readonly api = inject(Api);
  private readonly known = signal<readonly CatalogueEntry[]>([]);
  readonly entries = computed(() => this.known());

  /** Reads them anew. When the control plane does not answer, those that were known stay. */
  async load(): Promise<void> {
    try {
      const entries: CatalogueEntry[] = [];
      let after: string | null = null;
      for (let page = 0; page < PAGES_MAX; page += 1) {
        const { connectors }: ConnectorListData = await this.api.ask(ConnectorList, { after });
        for (const { name, version, interface: shape } of connectors.nodes) if (isInterface(shape)) entries.push({ name, version, interface: shape });
        if (!connectors.pageInfo.hasNextPage) break;
        after = connectors.pageInfo.endCursor;
      }
      this.known.set(entries);
    } catch {
      // The editor works without: what it cannot know it does not check.
    }
  }

  /** The operation of this name, `publisher:name/operation`. */
  operation(target: string): Operation | null {
    const [name = '', operation = ''] = target.split('/', 2);
    return this.known().find((entry) => entry.name === name)?.interface.operations.find((candidate) => candidate.name === operation) ?? null;
  }
}

/** Whether the registry's JSON has what is read of an interface. */
export function isInterface(shape: Json): shape is Json & ConnectorInterface {
  return isObject(shape) && isList(shape['operations']) && shape['operations'].every((operation) => isObject(operation) && isList(operation['params']));
}
