// SPDX-License-Identifier: Apache-2.0
// node openai.mjs PORT: the official client works with the simulator as with the provider.
import assert from 'node:assert/strict';
import OpenAI, { toFile } from 'openai';

const baseURL = `http://127.0.0.1:${process.argv[2]}/v1`;
const client = new OpenAI({ apiKey: 'sk-test', baseURL, maxRetries: 0 });
const model = 'gpt-4.1-mini-2025-04-14';
const lines = Array.from({ length: 10 }, (_, i) => JSON.stringify({
  messages: [{ role: 'user', content: `q${i}` }, { role: 'assistant', content: 'a' }] })).join('\n');
const upload = async () => client.files.create({ purpose: 'fine-tune', file: await toFile(Buffer.from(lines), 'train.jsonl') });

async function refused(promise, status, message) {
  const failure = await promise.then((answer) => assert.fail(JSON.stringify(answer)), (error) => error);
  assert.equal(failure.status, status, String(failure));
  assert.match(failure.message, message);
}

const checks = {
  async files() {
    const file = await upload();
    assert.equal(file.object, 'file');
    assert.equal((await client.files.retrieve(file.id)).bytes, lines.length);
    const all = [];
    for await (const one of client.files.list({ purpose: 'fine-tune' })) all.push(one.id);
    assert.ok(all.includes(file.id));
    assert.equal(await (await client.files.content(file.id)).text(), lines);
    assert.equal((await client.files.delete(file.id)).deleted, true);
    await refused(client.files.retrieve(file.id), 404, /No such File/);
    await refused(client.files.create({ purpose: 'tuning', file: await toFile(Buffer.from(lines), 'a.jsonl') }), 400, /purpose|not one of/);
    await refused(client.files.create({ purpose: 'fine-tune', file: await toFile(Buffer.from(lines), 'a.csv') }), 400, /extension/);
  },
  async uploads() {
    const opened = await client.uploads.create({ filename: 'big.jsonl', purpose: 'fine-tune', bytes: lines.length, mime_type: 'text/jsonl' });
    const half = Math.floor(lines.length / 2);
    const first = await client.uploads.parts.create(opened.id, { data: await toFile(Buffer.from(lines.slice(0, half)), 'a') });
    const second = await client.uploads.parts.create(opened.id, { data: await toFile(Buffer.from(lines.slice(half)), 'b') });
    await refused(client.uploads.complete(opened.id, { part_ids: [first.id] }), 400, /number of bytes/);
    const done = await client.uploads.complete(opened.id, { part_ids: [first.id, second.id] });
    assert.equal(done.file.filename, 'big.jsonl');
    const dropped = await client.uploads.create({ filename: 'x.jsonl', purpose: 'fine-tune', bytes: 1, mime_type: 'text/jsonl' });
    assert.equal((await client.uploads.cancel(dropped.id)).status, 'cancelled');
  },
  async jobs() {
    const file = await upload();
    let job = await client.fineTuning.jobs.create({ model, training_file: file.id, suffix: 'mine', metadata: { who: 'me' },
      method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 2 } } } });
    assert.equal(job.status, 'validating_files');
    const listed = await client.fineTuning.jobs.list({ metadata: { who: 'me' } });
    assert.deepEqual(listed.data.map((one) => one.id), [job.id]);
    for (let i = 0; i < 10 && job.status !== 'succeeded'; ++i) job = await client.fineTuning.jobs.retrieve(job.id);
    assert.match(job.fine_tuned_model, /^ft:/);
    const events = await client.fineTuning.jobs.listEvents(job.id, { limit: 2 });
    assert.equal(events.data.length, 2);
    const checkpoints = await client.fineTuning.jobs.checkpoints.list(job.id);
    assert.equal(checkpoints.data[0].step_number, 88);
    await refused(client.fineTuning.jobs.cancel(job.id), 400, /already completed/);
    const second = await client.fineTuning.jobs.create({ model, training_file: file.id });
    assert.equal((await client.fineTuning.jobs.cancel(second.id)).status, 'cancelled');
  },
  async refusals() {
    const file = await upload();
    const create = (more) => client.fineTuning.jobs.create({ model, training_file: file.id, ...more });
    await refused(create({ model: 'gpt-2' }), 400, /not available for fine-tuning/);
    await refused(create({ training_file: 'file-none' }), 400, /training_file/);
    await refused(create({ suffix: 'x'.repeat(65) }), 400, /suffix/);
    await refused(create({ seed: -1 }), 400, /seed/);
    await refused(create({ method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 99 } } } }), 400, /n_epochs/);
    await refused(create({ unknown: 1 }), 400, /unknown/);
    await refused(new OpenAI({ apiKey: 'sk-x', baseURL, maxRetries: 0 }).files.list().then((all) => all), 401, /Incorrect API key/);
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
