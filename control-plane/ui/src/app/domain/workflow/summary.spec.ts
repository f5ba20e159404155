import { describe, expect, it } from 'vitest';

import { readYaml } from '../yaml/tree';
import { readWorkflow } from './read';
import { reachesMore, summaryOf, summaryText } from './summary';

const TEXT = `workflow: report
config: { feed: https://feed.example.com }
secrets: [token]
triggers:
  web: { webhook: { path: report, hmac: token } }
nodes:
  fetch: { call: "flowforge:http/get", with: { url: "\${config.feed}/x" }, allow: ["\${config.feed}"] }
  confirm: { approval: { title: Send?, approvers: [duty], expires: 72h } }
`;
const graph = (text: string) => readWorkflow(readYaml(text));
const FACTS = { destinations: ['https://feed.example.com:443', 'https://new.example.com:443'], secrets: ['token'], connectors: [{ name: 'flowforge:http', version: '0.1.0' }] };

describe('the summary of a release', () => {
  it('says what is reached, by which node, who is asked and what starts it', () => {
    const parts = summaryOf(graph(TEXT), FACTS, null);
    expect(parts.map((part) => part.items.map((item) => `${item.name} ${item.words}`.trim()))).toEqual([
      ['feed.example.com by fetch', 'new.example.com'],
      ['token for its triggers'],
      ['duty at confirm; ends unanswered after 72h'],
      ['webhook web', 'by hand'],
      ['flowforge:http 0.1.0'],
    ]);
    expect(reachesMore(parts)).toBe(false);
  });

  it('marks what the version before did not have', () => {
    const parts = summaryOf(graph(TEXT), FACTS, graph(TEXT.replace('secrets: [token]', 'secrets: []')));
    expect(parts.flatMap((part) => part.items.filter((item) => item.fresh).map((item) => item.name))).toEqual(['new.example.com', 'token']);
    expect(reachesMore(parts)).toBe(true);
    expect(summaryText('report v2', parts)).toContain('Reaches: feed.example.com (by fetch), new.example.com [new]');
  });
});
