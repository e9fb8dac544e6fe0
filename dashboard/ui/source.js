// @ts-check
// Where the data comes from: the page itself, the shards beside it, or the server that it came from.

/** Shards that are kept unpacked. */
const KEPT_SHARDS = 8;

/** The page's own data. @param {(shard: number) => Promise<string>} packedShard @returns {DataSource} */
function shardSource(packedShard) {
  /** @type {Map<number, Promise<Map<number, Feature>>>} */
  const shards = new Map();
  const read = async (/** @type {number} */ shard) =>
    readShard(await unpack(await packedShard(shard)));
  const overview = unpack(byId('overview').textContent ?? '').then(readOverview);
  return {
    overview: () => overview,
    async feature(index) {
      const { place, features_per_shard } = await overview;
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
  /** @type {Map<number, (packed: string) => void>} */
  const awaited = new Map();
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

/** What the server says went wrong: its JSON says so under `error`; what may stand before it sends plain text. @param {string} body */
function reasonOf(body) {
  try {
    const { error } = JSON.parse(body);
    if (typeof error === 'string') return error.trim();
  } catch {
    // Plain text.
  }
  return body.slice(0, 500).trim();
}

/** The server that the page came from. @returns {Promise<DataSource>} */
async function liveSource() {
  /** @param {string} path @param {RequestInit} [options] */
  const ask = async (path, options) => {
    const answer = await fetch(path, options).catch((error) => {
      if (error.name === 'AbortError') throw error;
      throw new Error('The server does not answer: is it still running?');
    });
    if (answer.ok) return answer;
    throw new Error(reasonOf(await answer.text()) || `The server answers ${answer.status} ${answer.statusText}.`);
  };
  /** @param {string} path @param {object} question @param {AbortSignal} [signal] */
  const post = async (path, question, signal) => {
    const headers = { 'Content-Type': 'application/json' };
    return (await ask(path, { method: 'POST', headers, body: JSON.stringify(question), signal })).json();
  };
  const [overview, { offers }] = await Promise.all([
    ask('api/overview').then(async (answer) => readOverview(new Uint8Array(await answer.arrayBuffer()))),
    ask('api/health').then((answer) => answer.json()),
  ]);
  return {
    overview: () => Promise.resolve(overview),
    async feature(index) {
      const features = readShard(new Uint8Array(await (await ask(`api/features/${index}`)).arrayBuffer()));
      const feature = features.get(index);
      if (!feature) throw new Error(`The server sent another feature than ${index}.`);
      return feature;
    },
    prompt: offers?.prompt ? (text, effects, exact, signal) => post('api/prompt', { text, effects, exact }, signal) : undefined,
    check: offers?.check ? (prompt, answer, signal) => post('api/check', { prompt, answer }, signal) : undefined,
  };
}

/** @returns {Promise<DataSource>} */
async function dataSource() {
  const name = document.body.dataset.source;
  if (name === 'live') return liveSource();
  return name === 'folder' ? folderSource() : embeddedSource();
}
