// Where the data comes from: the page itself, the shards beside it, or the server that it came from.

import { byId, el } from '../base/dom';
import type { DataSource, Feature, GenerateEvent, Label } from '../types';
import { readOverview, readShard, unpack, wholeLabel } from './unpack';

/** Shards that are kept unpacked. */
const KEPT_SHARDS = 8;

/** The page's own data. */
async function shardSource(packedShard: (shard: number) => Promise<string>): Promise<DataSource> {
  const shards: Map<number, Promise<Map<number, Feature>>> = new Map();
  const read = async (shard: number) =>
    readShard(await unpack(await packedShard(shard)));
  const [overview, labels] = readOverview(await unpack(byId('overview').textContent ?? ''));
  const { place, features_per_shard } = overview;
  return {
    overview,
    labels,
    async feature(index) {
      const shard = Math.floor(place[index] / features_per_shard);
      const found = shards.get(shard) ?? read(shard);
      shards.delete(shard);
      shards.set(shard, found);
      const [oldest] = shards.keys();
      if (shards.size > KEPT_SHARDS) shards.delete(oldest);
      found.catch(() => shards.delete(shard));
      const feature = (await found).get(index);
      if (!feature) throw new Error(`Shard ${shard} has no feature ${index}: it is of another page.`);
      return feature;
    },
  };
}

/** All shards are in the page. */
function embeddedSource() {
  const parsed = new Promise((resolve) => {
    if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', resolve);
    else resolve(null);
  });
  return shardSource(async (shard) => {
    const find = () => document.getElementById(`shard-${shard}`);
    // What follows it in the file may still be on its way.
    if (!find()?.nextElementSibling) await parsed;
    const found = find();
    if (!found) throw new Error('This file is not whole: its end is missing.');
    return found.textContent ?? '';
  });
}

/** Shards are scripts beside the page: a page opened from disk may load those, but not read files. */
function folderSource() {
  const awaited: Map<number, (packed: string) => void> = new Map();
  window.saeShard = (shard, packed) => awaited.get(shard)?.(packed);
  return shardSource((shard) => new Promise((resolve, reject) => {
    const name = `shards/${String(shard).padStart(5, '0')}.js`;
    const script = el('script', { src: name });
    const done = () => {
      awaited.delete(shard);
      script.remove();
    };
    awaited.set(shard, (packed) => {
      done();
      resolve(packed);
    });
    script.onerror = () => {
      done();
      reject(new Error(`${name} is missing beside this page: keep the folder together.`));
    };
    document.head.append(script);
  }));
}

/** What the server says went wrong: its JSON says so under `error`; what may stand before it sends plain text. */
function reasonOf(body: string) {
  try {
    const { error } = JSON.parse(body);
    if (typeof error === 'string') return error.trim();
  } catch {
    // Plain text.
  }
  return body.slice(0, 500).trim();
}

/** The lines of an answer as they come. The last one says that it is whole. */
async function readLines(answer: Response, hear: (event: GenerateEvent) => void) {
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read().catch((error) => {
      if (error.name === 'AbortError') throw error;
      throw new Error('The connection to the server broke off.');
    });
    if (done) throw new Error('The answer broke off.');
    const lines = (rest + value).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const event = JSON.parse(line);
      if (event.event === 'done') return;
      if (event.event === 'error') throw new Error(String(event.error));
      hear(event);
    }
  }
}

/** The server that the page came from. */
async function liveSource(): Promise<DataSource> {
  const ask = async (path: string, options?: RequestInit) => {
    const answer = await fetch(path, options).catch((error) => {
      if (error.name === 'AbortError') throw error;
      throw new Error('The server does not answer: is it still running?');
    });
    if (answer.ok) return answer;
    throw new Error(reasonOf(await answer.text()) || `The server answers ${answer.status} ${answer.statusText}.`);
  };
  const post = async (path: string, question: object, signal?: AbortSignal) => {
    const headers = { 'Content-Type': 'application/json' };
    return (await ask(path, { method: 'POST', headers, body: JSON.stringify(question), signal })).json();
  };
  const json = async (path: string) => (await ask(path)).json();
  const [[overview], { offers, labels }] = await Promise.all([
    ask('api/overview').then(async (answer) => readOverview(new Uint8Array(await answer.arrayBuffer()))),
    json('api/health').then(async ({ offers }) => {
      const has = offers?.labels === 'show' || offers?.labels === 'change';
      return { offers, labels: has ? (await json('api/labels')).labels as Partial<Label>[] : [] };
    }),
  ]);
  return {
    overview,
    labels: labels.map(wholeLabel),
    setLabels: offers?.labels === 'change' ? async (labels) => { await post('api/labels', { labels }); } : undefined,
    async feature(index) {
      const features = readShard(new Uint8Array(await (await ask(`api/features/${index}`)).arrayBuffer()));
      const feature = features.get(index);
      if (!feature) throw new Error(`The server sent another feature than ${index}.`);
      return feature;
    },
    prompt: offers?.prompt ? (text, effects, exact, signal) => post('api/prompt', { text, effects, exact }, signal) : undefined,
    activations: offers?.activations ? (text, features, signal) => post('api/activations', { text, features }, signal) : undefined,
    generate: offers?.generate
      ? async (question, hear, signal) => {
        const headers = { 'Content-Type': 'application/json' };
        await readLines(await ask('api/generate', { method: 'POST', headers, body: JSON.stringify(question), signal }), hear);
      }
      : undefined,
    attribute: offers?.attribute
      ? (text, answer, against, top, signal) => post('api/attribute', { text, answer, against, top }, signal)
      : undefined,
    contrast: offers?.contrast ? (text, other, top, signal) => post('api/contrast', { text, other, top }, signal) : undefined,
    chat: offers?.chat === true,
    check: offers?.check ? (prompt, answer, signal) => post('api/check', { prompt, answer }, signal) : undefined,
  };
}

export async function dataSource(): Promise<DataSource> {
  const name = document.body.dataset.source;
  if (name === 'live') return liveSource();
  return name === 'folder' ? folderSource() : embeddedSource();
}
