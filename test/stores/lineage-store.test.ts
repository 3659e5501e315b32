import { beforeAll, describe, expect, it } from 'vitest';
import { itemKey, nodeId } from '../../lambdas/contract/keys.ts';
import { budgetWrites, released, reserved, used } from '../../lambdas/stores/budget-writes.ts';
import { type LineageStore, lineageStore } from '../../lambdas/stores/lineage-store.ts';
import type { Write } from '../../lambdas/stores/lineage-writes.ts';
import { createLineageTable } from '../support/services.ts';

const at = '2026-11-24T12:00:00.000Z';
let store: LineageStore;
let project = 0;
const newProject = (): string => `p${++project}`;

beforeAll(async () => {
  store = lineageStore(await createLineageTable());
});

const version = (name: string, number: number): Write => ({
  kind: 'create',
  type: 'dataset-version',
  project: name,
  local: number,
  order: number,
  record: { version: number, manifestId: `m${number}`, objects: 1, rows: 10, newRows: 10, uploads: [], at },
});

describe('write', () => {
  it('creates a node once, and names the write that met it', async () => {
    const name = newProject();
    expect(await store.write([version(name, 1)])).toEqual({ written: true });
    const repeated = await store.write([{ kind: 'mention', id: `agent/${name}/ada`, at }, version(name, 1)]);
    expect(repeated).toEqual({ written: false, conflicts: [1] });
    // All or none: the mention beside it was not written either.
    expect(await store.getNode(`agent/${name}/ada`)).toBeUndefined();
  });

  it('lets one of two writers change the state they both read', async () => {
    const name = newProject();
    const read = await store.state(name);
    const first = store.write([{ kind: 'state', project: name, read, set: { model: 1 } }]);
    const outcomes = await Promise.allSettled([
      first,
      store.write([{ kind: 'state', project: name, read, set: { model: 1 } }]),
    ]);
    const written = outcomes.filter((each) => each.status === 'fulfilled' && each.value.written);
    expect(written).toHaveLength(1);
    expect(await store.state(name)).toMatchObject({ revision: 1, model: 1 });
  });

  it('keeps what a change of state does not name, and takes away what it unsets', async () => {
    const name = newProject();
    await store.write([{ kind: 'state', project: name, read: { revision: 0 }, set: { model: 3, driftedModel: 2 } }]);
    const read = await store.state(name);
    await store.write([{ kind: 'state', project: name, read, set: { champion: 3 }, unset: ['driftedModel'] }]);
    expect(await store.state(name)).toEqual({ revision: 2, model: 3, champion: 3 });
  });

  it('updates a node only from one of the states expected', async () => {
    const name = newProject();
    await store.write([
      {
        kind: 'create',
        type: 'deployment',
        project: name,
        local: 1,
        record: { model: 1, status: 'requested', endpoint: 'e', endpointConfig: 'c', replaces: null, at },
      },
    ]);
    const id = nodeId.build('deployment', name, 1);
    const update = (status: string, expected: string[]): Write => ({
      kind: 'update',
      id,
      set: { status },
      expect: { status: expected },
    });
    expect(await store.write([update('updating', ['requested'])])).toEqual({ written: true });
    expect(await store.write([update('updating', ['requested'])])).toEqual({ written: false, conflicts: [0] });
    expect(await store.write([update('deployed', ['requested', 'updating'])])).toEqual({ written: true });
    expect((await store.require('deployment', name, 1)).status).toBe('deployed');
  });

  it('adds up the hours of jobs by month, and what is held back for those under way', async () => {
    const name = newProject();
    const november = { month: '2026-11', hours: 2 };
    expect(await store.budget(name, '2026-11')).toEqual({ hours: 0, reserved: 0 });
    await store.write(budgetWrites(name, reserved(november)));
    expect(await store.budget(name, '2026-11')).toEqual({ hours: 0, reserved: 2 });
    // Asked for in November, ended in December: each month gets its own.
    await store.write(budgetWrites(name, [...released(november), used('2026-12-01T00:10:00Z', 5400)]));
    expect(await store.budget(name, '2026-11')).toEqual({ hours: 0, reserved: 0 });
    expect(await store.budget(name, '2026-12')).toEqual({ hours: 1.5, reserved: 0 });
    // Both in one month are one write: a transaction may touch an item once.
    await store.write(
      budgetWrites(name, [used('2026-12-02T00:00:00Z', 900), ...reserved({ month: '2026-12', hours: 1 })]),
    );
    expect(await store.budget(name, '2026-12')).toEqual({ hours: 1.75, reserved: 1 });
  });
});

describe('newest', () => {
  it('lists the nodes of one type and project, the newest first, by number and not by text', async () => {
    const name = newProject();
    for (const number of [2, 10, 9]) await store.write([version(name, number)]);
    const found = await store.newest('dataset-version', name, 2);
    expect(found.map((each) => each.version)).toEqual([10, 9]);
  });
});

describe('once', () => {
  it("keeps the first caller's fields and gives them to every caller", async () => {
    const key = itemKey.suppression(newProject(), 'dataset-version/p/1#cooldown');
    expect(await store.once(key, { detail: { reason: 'first' } })).toMatchObject({ first: true });
    const again = await store.once(key, { detail: { reason: 'second' } });
    expect(again).toMatchObject({ first: false, fields: { detail: { reason: 'first' } } });
  });
});

describe('replace', () => {
  it('refuses a writer that read an older revision', async () => {
    const key = itemKey.counts(newProject(), 1, '2026-11-24T12', 0);
    expect(await store.replace(key, 0, { counts: 'a' })).toBe(true);
    expect(await store.replace(key, 0, { counts: 'b' })).toBe(false);
    expect(await store.replace(key, 1, { counts: 'c' })).toBe(true);
    expect(await store.item(key)).toMatchObject({ counts: 'c', revision: 2 });
  });
});

describe('the graph', () => {
  it('is walked both ways', async () => {
    const name = newProject();
    const model = nodeId.build('model', name, 1);
    const data = nodeId.build('dataset-version', name, 1);
    await store.write([version(name, 1), { kind: 'edge', from: model, relation: 'wasDerivedFrom', to: data, at }]);
    expect(await store.edgesFrom(model)).toEqual([{ from: model, relation: 'wasDerivedFrom', to: data }]);
    expect(await store.edgesTo(data)).toEqual([{ from: model, relation: 'wasDerivedFrom', to: data }]);
    expect(await store.getNode(data)).toMatchObject({
      id: data,
      type: 'dataset-version',
      fields: { manifestId: 'm1' },
    });
  });
});
