// SPDX-License-Identifier: Apache-2.0
// node cloudinary.mjs PORT: the official client works with the simulator as with the provider.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { v2 as cloudinary } from 'cloudinary';

const port = Number(process.argv[2]);

// The client speaks TLS only; the simulator does not.
const front = tls.createServer({ key: readFileSync('key.pem'), cert: readFileSync('cert.pem') }, (outside) => {
  const inside = net.connect(port, '127.0.0.1');
  outside.pipe(inside).pipe(outside);
  outside.on('error', () => inside.destroy());
  inside.on('error', () => outside.destroy());
});
await new Promise((listening) => front.listen(0, 'localhost', listening));

const upload_prefix = `https://localhost:${front.address().port}`;
const account = { cloud_name: 'demo', api_key: '1234', api_secret: 'abcd', upload_prefix };
cloudinary.config(account);

function picture(path, bytes) {
  const png = Buffer.concat([Buffer.from('89504e470d0a1a0a0000000d494844520000012c000000c8', 'hex'),
    randomBytes(bytes - 24)]);
  writeFileSync(path, png);
  return path;
}

// The client rejects with the error itself, or with {error} around it.
async function refused(promise, status, message) {
  const failure = await promise.then((answer) => assert.fail(JSON.stringify(answer)),
    (error) => error.error ?? error);
  assert.equal(failure.http_code, status, JSON.stringify(failure));
  assert.match(failure.message, message);
}

const checks = {
  async ping() {
    assert.equal((await cloudinary.api.ping()).status, 'ok');
  },

  async usage() {
    const usage = await cloudinary.api.usage();
    assert.equal(typeof usage.credits.usage, 'number');
    assert.equal(usage.rate_limit_allowed, 500);
    assert.ok(usage.rate_limit_reset_at > new Date());
    assert.equal((await cloudinary.api.usage({ date: '2026-11-01' })).date_requested, '2026-11-01');
  },

  async upload() {
    const file = picture('small.png', 5000);
    const asset = await cloudinary.uploader.upload(file, {
      public_id: 'folder/small', tags: ['a', 'b'], context: { alt: '1=2|3', caption: 'Tom & Jerry' },
      eager: [{ width: 300, height: 200, crop: 'fill' }, { width: 60, crop: 'fill', format: 'webp' }],
      transformation: [{ width: 400, crop: 'limit' }, { effect: 'sepia' }], overwrite: true,
    });
    assert.equal(asset.public_id, 'folder/small');
    assert.equal(asset.bytes, 5000);
    assert.deepEqual(asset.tags, ['a', 'b']);
    assert.equal(asset.eager[1].format, 'webp');
    assert.deepEqual(asset.context.custom, { alt: '1=2|3', caption: 'Tom & Jerry' });
    assert.ok(cloudinary.utils.verify_api_response_signature(asset.public_id, asset.version, asset.signature));
  },

  async uploadEveryAlgorithmAndVersion() {
    for (const signature_algorithm of ['sha1', 'sha256']) {
      for (const signature_version of [1, 2]) {
        await cloudinary.uploader.upload('small.png', {
          signature_algorithm, signature_version, public_id: 'sig', context: { a: 'x & y' } });
      }
    }
  },

  async uploadUrlAndDataUri() {
    const data = 'data:image/gif;base64,R0lGODlhAQABAA==';
    assert.equal((await cloudinary.uploader.upload(data)).format, 'gif');
    await cloudinary.uploader.upload('https://example.com/a.jpg', { public_id: 'u' });
  },

  async uploadStream() {
    const asset = await new Promise((resolve, reject) => {
      const stream = cloudinary.uploader.upload_stream({ resource_type: 'raw', public_id: 'notes.txt' },
        (error, answer) => (error ? reject(error) : resolve(answer)));
      stream.end('some text');
    });
    assert.equal(asset.bytes, 9);
    assert.equal(asset.resource_type, 'raw');
  },

  async uploadLarge() {
    const file = picture('large.png', 12_000_000);
    const asset = await new Promise((resolve, reject) => {
      cloudinary.uploader.upload_large(file, {
        resource_type: 'image', public_id: 'large', chunk_size: 5_000_000,
      }, (error, answer) => (error ? reject(error) : resolve(answer)));
    });
    assert.equal(asset.bytes, 12_000_000);
    assert.equal(asset.public_id, 'large');
  },

  async destroy() {
    assert.deepEqual((await cloudinary.uploader.destroy('large', { invalidate: true })).result, 'ok');
    assert.deepEqual((await cloudinary.uploader.destroy('large')).result, 'not found');
    assert.equal((await cloudinary.uploader.destroy('notes.txt', { resource_type: 'raw' })).result, 'ok');
  },

  async wrongSecret() {
    await refused(cloudinary.uploader.upload('small.png', { api_secret: 'wrong' }), 401, /Invalid Signature/);
    await refused(cloudinary.uploader.destroy('a', { api_secret: 'wrong' }), 401, /Invalid Signature/);
    await refused(cloudinary.api.usage({ api_secret: 'wrong' }), 401, /./);
  },

  async staleRequest() {
    const timestamp = Math.floor(Date.now() / 1000) - 3700;
    await refused(cloudinary.uploader.upload('small.png', { timestamp }), 400, /Stale request/);
  },

  async limited() {
    const reset = new Date(Date.now() + 60_000).toUTCString();
    await fetch(`http://127.0.0.1:${port}/_faults`, { method: 'POST', body: JSON.stringify({ faults: [{
      kind: 'status', status: 420, body: '{"error":{"message":"Rate Limit Exceeded"}}',
      headers: { 'X-FeatureRateLimit-Reset': reset } }] }) });
    await refused(cloudinary.api.ping(), 420, /Rate Limit/);
    await cloudinary.api.ping();
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
