// SPDX-License-Identifier: Apache-2.0
// node prism.mjs SIMULATOR DAEMON PLUGIN SPEC FOLDER: daemon -> Prism -> simulator.  Prism refuses a
// request that the document does not allow with 422, and an answer that it does not allow with 500.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';

const [simulator, daemon, plugin, spec, folder] = process.argv.slice(2);
const model = 'gpt-4.1-mini-2025-04-14';
const children = [];
const run = (program, words, output) => {
  const child = spawn(program, words, { stdio: ['ignore', output ?? 'ignore', 'inherit'] });
  children.push(child);
  return child;
};
const wait = (ms) => new Promise((over) => setTimeout(over, ms));
async function until(what, is, most = 60000) {
  for (const end = Date.now() + most; ;) {
    const got = await is();
    if (got) return got;
    assert.ok(Date.now() < end, `${what} did not come`);
    await wait(50);
  }
}
async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((listening) => server.once('listening', listening));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}
// The daemon's own API.
const call = (method, path, body) => new Promise((over, failed) => {
  const request = http.request({ socketPath: `${folder}/s`, method, path, headers: { 'content-type': 'application/json' } }, (answer) => {
    let text = '';
    answer.on('data', (piece) => { text += piece; });
    answer.on('end', () => over({ status: answer.statusCode, json: text ? JSON.parse(text) : null }));
  });
  request.on('error', failed);
  request.end(body && JSON.stringify(body));
});

rmSync(folder, { recursive: true, force: true });
for (const part of ['', 'state', 'scratch', 'plugins', 'data']) mkdirSync(`${folder}/${part}`, { recursive: true });
const line = JSON.stringify({ messages: [{ role: 'user', content: 'q' }, { role: 'assistant', content: 'a' }] });
writeFileSync(`${folder}/data/train.jsonl`, `${line}\n`.repeat(12));
const tool = JSON.stringify({ input: { messages: [{ role: 'user', content: 'q' }] }, preferred_output: [{ role: 'assistant', content: 'a' }],
  non_preferred_output: [{ role: 'assistant', content: 'b' }] });
writeFileSync(`${folder}/data/dpo.jsonl`, `${tool}\n`.repeat(12));

async function start(partBytes) {
  run(simulator, ['--port-file', `${folder}/port`, 'looks=3']);
  await until('the simulator', () => existsSync(`${folder}/port`));
  const behind = `http://127.0.0.1:${readFileSync(`${folder}/port`, 'utf8').trim()}`;
  const port = await freePort();
  const front = `http://127.0.0.1:${port}`;
  run(process.execPath, ['node_modules/@stoplight/prism-cli/dist/index.js', 'proxy', '--errors', '-h', '127.0.0.1', '-p', String(port), spec, `${behind}/v1`]);
  await until('Prism', () => fetch(`${front}/models`).then(() => true, () => false));
  copyFileSync(plugin, `${folder}/plugins/fine-tuning.so`);
  writeFileSync(`${folder}/c.toml`, `allow_plain_secrets = true
[paths]\nstate = "${folder}/state"\nscratch = "${folder}/scratch"
[control]\nsocket = "${folder}/s"\ngroup = ""
[plugins]\ndirectories = ["${folder}/plugins"]\nisolation = "in-process"
[log]\ntarget = "stderr"\n[files]\nread = ["${folder}/data"]
[plugin.fine-tuning]\nopenai_url = "${front}"\nopenai_key = "sk-test"\npoll_first_seconds = 0.05\npoll_most_seconds = 0.2
openai_part_bytes = ${partBytes}\nopenai_file_bytes_max = ${partBytes * 2}\n`);
  run(daemon, ['--config', `${folder}/c.toml`]);
  await until('the daemon', () => call('GET', '/v1/status').then((answer) => answer.status === 200, () => false));
  await fetch(`${behind}/_requests`, { method: 'DELETE' });
  return { behind, front };
}

async function train(more) {
  const { json } = await call('POST', '/v1/tasks', { op: 'fine-tuning.train', args: { provider: 'openai', base_model: model, ...more } });
  const id = json.id ?? json.task?.id;
  assert.ok(id, JSON.stringify(json));
  const over = ['succeeded', 'failed', 'cancelled', 'timed_out'];
  return until('the end', async () => {
    const task = (await call('GET', `/v1/tasks/${id}`)).json;
    return over.includes(task.state) && task;
  });
}

try {
  const { behind, front } = await start(1000);
  const asked = async () => (await (await fetch(`${behind}/_requests`)).json()).map((one) => `${one.method} ${one.path}`);
  const data = `${folder}/data/train.jsonl`;

  // Each request of a whole training, and each answer of the simulator, is what the document says.
  const whole = await train({ dataset: data, suffix: 'mine', seed: 7, hyperparameters: { n_epochs: 2, batch_size: 'auto' } });
  assert.equal(whole.state, 'succeeded', JSON.stringify(whole));
  assert.match(whole.result.model, /^ft:gpt/);
  assert.equal(whole.result.checkpoints.length, 1);
  const seen = await asked();
  assert.ok(seen.includes('POST /v1/files') && seen.some((one) => one.startsWith('DELETE /v1/files/')), String(seen));
  console.log('ok a training');
  const dpo = await train({ dataset: `${folder}/data/dpo.jsonl`, format: 'openai-dpo', hyperparameters: { beta: 0.1 } });
  assert.equal(dpo.state, 'succeeded', JSON.stringify(dpo));
  assert.ok((await asked()).includes('POST /v1/uploads'), 'the larger dataset went in parts');
  console.log('ok preferences, in parts');

  // Prism does object: what it lets through was looked at.
  const before = (await asked()).length;
  const headers = { authorization: 'Bearer sk-test', 'content-type': 'application/json' };
  const right = { model, training_file: 'file-1', metadata: { a: 'b' } };
  for (const [what, body] of Object.entries({
    'no model': { ...right, model: undefined }, 'no file': { ...right, training_file: undefined }, 'file as a number': { ...right, training_file: 7 },
    'long suffix': { ...right, suffix: 'x'.repeat(65) }, 'negative seed': { ...right, seed: -1 }, 'seed as text': { ...right, seed: '1' },
    'unknown method': { ...right, method: { type: 'lora' } }, 'metadata as numbers': { ...right, metadata: { a: 1 } },
    '51 epochs': { ...right, method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 51 } } } }, 'a list': [right] })) {
    const answer = await fetch(`${front}/fine_tuning/jobs`, { method: 'POST', headers, body: JSON.stringify(body) });
    assert.equal(answer.status, 422, what);
  }
  assert.equal((await asked()).length, before, 'none of them reached the simulator');
  console.log('ok refusals');

  // The providers' facts, row 17: "OpenAI refusal": 422 is the provider's word; what was uploaded is deleted.
  await fetch(`${behind}/_faults`, { method: 'POST', body: JSON.stringify({ faults: [{ kind: 'status', status: 403, path: '/jobs',
    body: '{"error":{"message":"not for you","type":"invalid_request_error","param":null,"code":null}}' }] }) });
  const refused = await train({ dataset: data });
  assert.equal(refused.state, 'failed');
  assert.equal(refused.error.code, 'creation_refused', JSON.stringify(refused.error));
  assert.match(refused.error.message, /not for you/);
  assert.match((await asked()).at(-1), /^DELETE \/v1\/files\//);
  console.log('ok a refused creation');
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  for (const child of children) child.kill();
}
process.exit();
