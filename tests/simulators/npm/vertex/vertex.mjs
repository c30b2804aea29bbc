// SPDX-License-Identifier: Apache-2.0
// node vertex.mjs PORT: the official clients work with the simulator as with the provider.  The token
// endpoint's address is fixed in Google's client: its transport is told to ask the simulator instead.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { GoogleGenAI } from '@google/genai';
import { Storage } from '@google-cloud/storage';
import { JWT, gaxios } from 'google-auth-library';

const base = `http://127.0.0.1:${process.argv[2]}`;
const key = await (await fetch(`${base}/_key`)).json();
let tokens = 0;

function account(more = {}) {
  const transporter = new gaxios.Gaxios();
  transporter.interceptors.request.add({ resolved: async (options) => {
    const url = new URL(options.url);
    if (url.hostname === 'oauth2.googleapis.com') {
      options.url = new URL(base + url.pathname);
      ++tokens;
    }
    return options;
  } });
  return new JWT({ email: key.client_email, key: key.private_key, keyId: key.private_key_id,
    scopes: ['https://www.googleapis.com/auth/cloud-platform'], transporter, ...more });
}

const ai = (authClient) => new GoogleGenAI({ vertexai: true, project: 'p1', location: 'us-central1',
  googleAuthOptions: { authClient }, httpOptions: { baseUrl: base } });
const tune = (client, more = {}, config = {}) => client.tunings.tune({ baseModel: 'gemini-2.5-flash',
  trainingDataset: { gcsUri: 'gs://bucket/train/a b.jsonl' }, config: { epochCount: 2, tunedModelDisplayName: 'mine', ...config }, ...more });
const line = JSON.stringify({ contents: [{ role: 'user', parts: [{ text: 'q' }] }, { role: 'model', parts: [{ text: 'a' }] }] });

async function refused(promise, message) {
  const failure = await promise.then((answer) => assert.fail(JSON.stringify(answer)), (error) => error);
  assert.match(String(failure.message), message);
}

const checks = {
  async tokens() {
    const { token } = await account().getAccessToken();
    assert.match(token, /^ya29\./);
    assert.equal(tokens, 1);
    await refused(account({ email: 'x@y.iam.gserviceaccount.com' }).getAccessToken(), /invalid_grant|account not found/);
    await refused(account({ scopes: ['email'] }).getAccessToken(), /invalid_scope|scope/);
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const another = privateKey.export({ type: 'pkcs8', format: 'pem' });
    await refused(account({ key: another }).getAccessToken(), /invalid_grant|Invalid JWT Signature/);
  },
  async objects() {
    const storage = new Storage({ apiEndpoint: base, projectId: 'p1', authClient: account(), useAuthWithCustomEndpoint: true,
      retryOptions: { autoRetry: false } });
    const file = storage.bucket('bucket').file('train/a b.jsonl');
    await file.save(`${line}\n`, { resumable: false, validation: false });
    assert.equal((await file.getMetadata())[0].size, String(line.length + 1));
    assert.equal((await file.download({ validation: false }))[0].toString(), `${line}\n`);
    const gone = storage.bucket('bucket').file('gone');
    await gone.save('x', { resumable: false, validation: false });
    await gone.delete();
    await refused(gone.delete(), /No such object/);
    await refused(storage.bucket('other').file('x').save('x', { resumable: false, validation: false }), /bucket does not exist/);
  },
  async jobs() {
    const client = ai(account());
    let job = await tune(client);
    assert.match(job.name, /^projects\/p1\/locations\/us-central1\/tuningJobs\/\d+$/);
    for (let i = 0; i < 10 && job.state !== 'JOB_STATE_SUCCEEDED'; ++i) job = await client.tunings.get({ name: job.name });
    assert.match(job.tunedModel.endpoint, /endpoints/);
    const second = await tune(client);
    await client.tunings.cancel({ name: second.name });
    assert.equal((await client.tunings.get({ name: second.name })).state, 'JOB_STATE_CANCELLED');
    const all = [];
    for await (const one of await client.tunings.list({ config: { pageSize: 1 } })) all.push(one.name);
    assert.deepEqual(all, [second.name, job.name]);
  },
  async refusals() {
    const client = ai(account());
    await refused(tune(client, { baseModel: 'gemini-1.0' }), /not supported/);
    await refused(tune(client, { trainingDataset: { gcsUri: 'gs://bucket/none' } }), /not found/);
    await refused(tune(client, {}, { epochCount: 0.5 }), /epoch_count/);
    await refused(tune(client, {}, { tunedModelDisplayName: 'x'.repeat(129) }), /display_name/);
    await refused(client.tunings.get({ name: 'projects/p1/locations/us-central1/tuningJobs/99' }), /not found/);
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
