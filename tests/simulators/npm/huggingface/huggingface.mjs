// SPDX-License-Identifier: Apache-2.0
// node huggingface.mjs PORT: the official client works with the simulator as with the provider.
import assert from 'node:assert/strict';
import { InferenceClient } from '@huggingface/inference';

const base = `http://127.0.0.1:${process.argv[2]}`;

// The client knows router and hub by name; the simulator is both.
const redirected = (url, init) => fetch(String(url)
  .replace('https://router.huggingface.co', base).replace('https://huggingface.co', base), init);
const client = (token = 'hf_test', more = {}) => new InferenceClient(token, { fetch: redirected, ...more });
const hf = client();

const chat = { model: 'openai/gpt-oss-120b', messages: [{ role: 'user', content: 'hi you' }] };
const tools = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: {} } } }];

async function fault(...faults) {
  const answer = await fetch(`${base}/_faults`, { method: 'POST', body: JSON.stringify({ faults }) });
  assert.equal(answer.status, 200, await answer.text());
}

async function refused(promise, status, message) {
  const failure = await promise.then((answer) => assert.fail(JSON.stringify(answer)), (error) => error);
  if (status) assert.equal(failure.httpResponse?.status, status, String(failure));
  assert.match(`${failure.message} ${JSON.stringify(failure.httpResponse?.body)}`, message);
}

async function collect(stream) {
  const out = { text: '', chunks: 0, usage: null, reason: null, calls: '' };
  for await (const chunk of stream) {
    out.chunks += 1;
    out.text += chunk.choices[0]?.delta.content ?? '';
    out.calls += chunk.choices[0]?.delta.tool_calls?.[0]?.function.arguments ?? '';
    out.reason = chunk.choices[0]?.finish_reason ?? out.reason;
    out.usage = chunk.usage ?? out.usage;
  }
  return out;
}

const checks = {
  async chat() {
    for (const suffix of ['', ':fastest', ':cheapest', ':groq']) {
      const answer = await hf.chatCompletion({ ...chat, model: chat.model + suffix, max_tokens: 3 });
      assert.equal(answer.choices[0].message.content, 'w0 w1 w2');
      assert.equal(answer.choices[0].finish_reason, 'length');
      assert.deepEqual(answer.usage, { prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 });
    }
  },

  async chatByProvider() {
    const answer = await hf.chatCompletion({ ...chat, provider: 'auto', temperature: 0.7, top_p: 0.9, seed: 1 });
    assert.equal(answer.choices[0].finish_reason, 'stop');
  },

  async chatStream() {
    const out = await collect(hf.chatCompletionStream({ ...chat, stream_options: { include_usage: true } }));
    assert.equal(out.text, 'w0 w1 w2 w3 w4 w5 w6 w7');
    assert.equal(out.reason, 'stop');
    assert.equal(out.usage.completion_tokens, 8);
    assert.equal((await collect(hf.chatCompletionStream(chat))).usage, null);
  },

  async tools() {
    const answer = await hf.chatCompletion({ ...chat, tools, tool_choice: 'auto' });
    const [call] = answer.choices[0].message.tool_calls;
    assert.equal(call.function.name, 'weather');
    assert.deepEqual(JSON.parse(call.function.arguments), { city: 'Paris' });
    const out = await collect(hf.chatCompletionStream({ ...chat, tools }));
    assert.deepEqual(JSON.parse(out.calls), { city: 'Paris' });
    assert.equal(out.reason, 'tool_calls');
  },

  async featureExtraction() {
    const answer = await hf.featureExtraction({
      provider: 'hf-inference', model: 'org/model', inputs: ['a', 'b'], normalize: true });
    assert.equal(answer.length, 2);
    assert.ok(Math.abs(answer[0].reduce((sum, x) => sum + x * x, 0) - 1) < 1e-9);
  },

  async textGeneration() {
    const answer = await hf.textGeneration({ provider: 'hf-inference', model: 'org/lm', inputs: 'once upon',
      parameters: { max_new_tokens: 5, temperature: 0.7, top_p: 0.9, return_full_text: false } });
    assert.equal(answer.generated_text, 'w0 w1 w2 w3 w4');
  },

  async textToImage() {
    const picture = await hf.textToImage({ provider: 'hf-inference', model: 'org/t2i', inputs: 'a cat',
      parameters: { width: 512, height: 256, seed: 1 } });
    const bytes = Buffer.from(await picture.arrayBuffer());
    assert.equal(bytes.subarray(1, 4).toString(), 'PNG');
    assert.equal(bytes.readUInt32BE(16), 512);
    assert.equal(bytes.readUInt32BE(20), 256);
  },

  async wrongTokenModelOrTask() {
    await refused(client('hf_wrong').chatCompletion(chat), 401, /Invalid username or password/);
    await refused(hf.chatCompletion({ ...chat, model: 'org/none' }), 404, /does not exist/);
    await refused(hf.chatCompletion({ ...chat, temperature: 9 }), 400, /temperature/);
    await refused(hf.chatCompletion({ ...chat, messages: [{ role: 'robot', content: 'x' }] }), 400, /role/);
    await refused(hf.featureExtraction({ provider: 'hf-inference', model: 'org/model', inputs: [''] }), 400, /inputs/);
    await refused(hf.featureExtraction({ provider: 'hf-inference', model: 'org/lm', inputs: 'a' }), null, /not supported for task/);
    await refused(hf.textToImage({ provider: 'hf-inference', model: 'org/t2i', inputs: 'x', parameters: { width: 513 } }),
      400, /divisible by 8/);
  },

  async refusals() {
    const impatient = client('hf_test', { retry_on_error: false });
    await fault({ kind: 'status', status: 429, body: '{"error":"slow down"}', headers: { RateLimit: '"api";r=0;t=55' } });
    await refused(hf.chatCompletion(chat), 429, /slow down/);
    await fault({ kind: 'status', status: 402, body: '{"error":"You have exceeded your monthly included credits"}' });
    await refused(hf.chatCompletion(chat), 402, /credits/);
    await fault({ kind: 'status', status: 503, body: '{"error":"Model x is currently loading","estimated_time":20.0}' });
    await refused(impatient.chatCompletion(chat), 503, /loading/);
    // It tries again at once, and so gets there.
    await fault({ kind: 'status', status: 503, count: 2, body: '{"error":"loading","estimated_time":0.2}' });
    assert.equal((await hf.chatCompletion(chat)).choices.length, 1);
  },

  async brokenStreams() {
    await fault({ kind: 'stream_end', pieces: 2, body: 'data: {"error":{"message":"overloaded"}}\n\n' });
    await refused(collect(hf.chatCompletionStream(chat)), null, /overloaded/);
    await fault({ kind: 'stream_break', pieces: 2 });
    await refused(collect(hf.chatCompletionStream(chat)), null, /terminated/);
    await fault({ kind: 'content_type', content_type: 'text/html' });
    await refused(collect(hf.chatCompletionStream(chat)), null, /event stream content type/);
    // What the official client takes for a whole answer.
    await fault({ kind: 'stream_end', pieces: 2 });
    const cut = await collect(hf.chatCompletionStream(chat));
    assert.deepEqual([cut.text, cut.reason], ['w0 w1', null]);
    await fault();
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
