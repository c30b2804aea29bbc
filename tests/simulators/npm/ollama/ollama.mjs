// SPDX-License-Identifier: Apache-2.0
// node ollama.mjs PORT: the official client works with the simulator as with the server.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Ollama } from 'ollama';

const host = `http://127.0.0.1:${process.argv[2]}`;
const ollama = new Ollama({ host });

// The smallest adapter in GGUF that there is.
function adapter(type = 'adapter') {
  const number = (value, bytes) => { const out = Buffer.alloc(bytes); out.writeUIntLE(value, 0, Math.min(bytes, 6)); return out; };
  const text = (value) => Buffer.concat([number(Buffer.byteLength(value), 8), Buffer.from(value)]);
  return Buffer.concat([Buffer.from('GGUF'), number(3, 4), number(1, 8), number(1, 8), text('general.type'), number(8, 4),
    text(type), text('w'), number(1, 4), number(1, 8), number(0, 4), number(0, 8), Buffer.alloc(32)]);
}

async function upload(bytes) {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const answer = await fetch(`${host}/api/blobs/${digest}`, { method: 'POST', body: bytes });
  assert.ok([200, 201].includes(answer.status), await answer.text());
  return digest;
}

async function refused(promise, message) {
  const failure = await promise.then((answer) => assert.fail(JSON.stringify(answer)), (error) => error);
  assert.match(failure.message, message);
}

const checks = {
  async version() {
    const answer = await fetch(`${host}/api/version`);
    assert.match((await answer.json()).version, /^\d+\.\d+\.\d+$/);
  },
  async create() {
    const digest = await upload(adapter());
    const seen = [];
    for await (const part of await ollama.create({ model: 'mine', from: 'mistral', adapters: { 'a.gguf': digest }, stream: true })) {
      seen.push(part.status);
    }
    assert.equal(seen.at(-1), 'success');
    assert.ok(seen.includes('parsing GGUF'));
    const whole = await ollama.create({ model: 'whole', from: 'mistral', adapters: { 'a.gguf': digest } });
    assert.equal(whole.status, 'success');
    assert.ok((await ollama.show({ model: 'mine' })).modelfile.includes(digest.slice(7)));
    assert.ok((await ollama.list()).models.some((model) => model.name === 'mine:latest'));
    await ollama.delete({ model: 'mine' });
    await refused(ollama.show({ model: 'mine' }), /not found/);
  },
  async refusals() {
    const digest = await upload(adapter());
    const full = await upload(adapter('model'));
    const ask = (more) => ollama.create({ model: 'x', from: 'mistral', adapters: { 'a.gguf': digest }, ...more });
    await refused(ask({ model: '../x' }), /invalid model name/);
    await refused(ask({ from: 'none' }), /file does not exist/);
    await refused(ask({ from: undefined }), /neither 'from' or 'files'/);
    await refused(ask({ adapters: { 'a.gguf': 'sha256:abc' } }), /invalid digest/);
    await refused(ask({ adapters: { '/a.gguf': digest } }), /must be relative/);
    await refused(ask({ adapters: { 'a.gguf': full } }), /not an adapter/);
    await refused(ask({ parameters: { learning_rate: 0.1 } }), /unknown parameter 'learning_rate'/);
  },
  async cutStreams() {
    const digest = await upload(adapter());
    await fetch(`${host}/_faults`, { method: 'POST', body: JSON.stringify({ faults: [{ kind: 'stream_end', pieces: 1, path: '/create' }] }) });
    const parts = ollama.create({ model: 'cut', from: 'mistral', adapters: { 'a.gguf': digest }, stream: true });
    const all = (async () => { for await (const part of await parts) void part; })();
    await refused(all, /Did not receive done or success/);
  },
};

for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`ok ${name}`);
  } catch (error) {
    console.error(`failed ${name}:`, error);
    process.exitCode = 1;
  }
}
process.exit();
