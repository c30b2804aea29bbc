// SPDX-License-Identifier: Apache-2.0
// node bedrock.mjs PORT: the official clients work with the simulator as with the provider.
import assert from 'node:assert/strict';
import { BedrockClient, CreateModelCustomizationJobCommand, GetModelCustomizationJobCommand,
  ListModelCustomizationJobsCommand, StopModelCustomizationJobCommand } from '@aws-sdk/client-bedrock';
import { AbortMultipartUploadCommand, CompleteMultipartUploadCommand, CreateMultipartUploadCommand, DeleteObjectCommand, GetObjectCommand, HeadObjectCommand,
  ListMultipartUploadsCommand, PutObjectCommand, S3Client, UploadPartCommand } from '@aws-sdk/client-s3';

const endpoint = `http://127.0.0.1:${process.argv[2]}`;
const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const config = { endpoint, region: 'us-west-2', credentials, maxAttempts: 1 };
const bedrock = new BedrockClient(config);
const s3 = new S3Client({ ...config, forcePathStyle: true });
const line = JSON.stringify({ messages: [{ role: 'user', content: 'q' }, { role: 'assistant', content: 'a' }] });
const Bucket = 'bucket';
const create = (name, more) => bedrock.send(new CreateModelCustomizationJobCommand({ jobName: name, customModelName: 'mine',
  roleArn: 'arn:aws:iam::123456789012:role/train', clientRequestToken: name, customizationType: 'FINE_TUNING',
  baseModelIdentifier: 'anthropic.claude-3-haiku-20240307-v1:0:200k', trainingDataConfig: { s3Uri: 's3://bucket/train/a b+c.jsonl' },
  outputDataConfig: { s3Uri: 's3://bucket/out/' }, hyperParameters: { epochCount: '2' }, ...more }));

async function refused(promise, name, status) {
  const failure = await promise.then((answer) => assert.fail(JSON.stringify(answer)), (error) => error);
  assert.equal(failure.name, name, String(failure));
  assert.equal(failure.$metadata?.httpStatusCode, status);
}

const checks = {
  async objects() {
    const Key = 'train/a b+c.jsonl';
    await s3.send(new PutObjectCommand({ Bucket, Key, Body: `${line}\n` }));
    assert.equal(await (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body.transformToString(), `${line}\n`);
    assert.ok((await s3.send(new HeadObjectCommand({ Bucket, Key }))).ETag);
    await s3.send(new PutObjectCommand({ Bucket, Key: 'gone', Body: 'x' }));
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'gone' }));
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'gone' }));
    await refused(s3.send(new GetObjectCommand({ Bucket, Key: 'gone' })), 'NoSuchKey', 404);
    await refused(s3.send(new GetObjectCommand({ Bucket: 'other', Key })), 'NoSuchBucket', 404);
    const wrong = new S3Client({ ...config, forcePathStyle: true, credentials: { ...credentials, secretAccessKey: 'wrong' } });
    await refused(wrong.send(new PutObjectCommand({ Bucket, Key, Body: 'x' })), 'SignatureDoesNotMatch', 403);
    const elsewhere = new S3Client({ ...config, forcePathStyle: true, region: 'eu-west-1' });
    await refused(elsewhere.send(new PutObjectCommand({ Bucket, Key, Body: 'x' })), 'AuthorizationHeaderMalformed', 400);
  },
  async uploadsInParts() {
    const Key = 'train/in parts&more.jsonl';
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    assert.ok(UploadId);
    const pieces = ['a'.repeat(5 << 20), 'b'];
    const Parts = [];
    for (const [i, Body] of pieces.entries()) {
      const { ETag } = await s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: i + 1, Body }));
      Parts.push({ PartNumber: i + 1, ETag });
    }
    const { Uploads } = await s3.send(new ListMultipartUploadsCommand({ Bucket, Prefix: Key }));
    assert.deepEqual(Uploads.map((one) => [one.Key, one.UploadId]), [[Key, UploadId]]);
    const reversed = { Bucket, Key, UploadId, MultipartUpload: { Parts: Parts.toReversed() } };
    await refused(s3.send(new CompleteMultipartUploadCommand(reversed)), 'InvalidPartOrder', 400);
    const done = await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }));
    assert.match(done.ETag, /-2"$/);
    assert.equal((await s3.send(new HeadObjectCommand({ Bucket, Key }))).ContentLength, (5 << 20) + 1);
    assert.equal(await (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body.transformToString(), pieces.join(''));
    await refused(s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: 'x' })), 'NoSuchUpload', 404);
    const second = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    await s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId: second.UploadId }));
    await refused(s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId: second.UploadId })), 'NoSuchUpload', 404);
  },
  async jobs() {
    const { jobArn } = await create('job-1');
    assert.equal((await create('job-1')).jobArn, jobArn);
    // The ARN has slashes and colons: its path is encoded twice in what is signed.
    let job = await bedrock.send(new GetModelCustomizationJobCommand({ jobIdentifier: jobArn }));
    assert.equal(job.jobName, 'job-1');
    assert.equal(job.status, 'InProgress');
    assert.ok(job.creationTime instanceof Date);
    for (let i = 0; i < 10 && job.status === 'InProgress'; ++i) {
      job = await bedrock.send(new GetModelCustomizationJobCommand({ jobIdentifier: 'job-1' }));
    }
    assert.equal(job.status, 'Completed');
    assert.match(job.outputModelArn, /^arn:aws:bedrock:us-west-2:123456789012:custom-model\//);
    assert.equal(job.trainingMetrics.trainingLoss, 0.478);
    await create('job-2');
    await bedrock.send(new StopModelCustomizationJobCommand({ jobIdentifier: 'job-2' }));
    const stopped = await bedrock.send(new ListModelCustomizationJobsCommand({ statusEquals: 'Stopped', nameContains: 'job', maxResults: 5 }));
    assert.deepEqual(stopped.modelCustomizationJobSummaries.map((one) => one.jobName), ['job-2']);
    const first = await bedrock.send(new ListModelCustomizationJobsCommand({ maxResults: 1 }));
    const second = await bedrock.send(new ListModelCustomizationJobsCommand({ maxResults: 1, nextToken: first.nextToken }));
    assert.equal(second.modelCustomizationJobSummaries[0].jobName, 'job-2');
    await refused(bedrock.send(new StopModelCustomizationJobCommand({ jobIdentifier: 'job-2' })), 'ConflictException', 400);
  },
  async refusals() {
    await refused(create('job 3'), 'ValidationException', 400);
    await refused(create('job-4', { trainingDataConfig: { s3Uri: 's3://bucket/none' } }), 'ValidationException', 400);
    await refused(create('job-5', { hyperParameters: { epochCount: '99' } }), 'ValidationException', 400);
    await refused(create('job-1', { clientRequestToken: 'other' }), 'ConflictException', 400);
    await refused(bedrock.send(new GetModelCustomizationJobCommand({ jobIdentifier: 'none' })), 'ResourceNotFoundException', 404);
    const wrong = new BedrockClient({ ...config, credentials: { ...credentials, secretAccessKey: 'wrong' } });
    await refused(wrong.send(new ListModelCustomizationJobsCommand({})), 'InvalidSignatureException', 403);
    const unknown = new BedrockClient({ ...config, credentials: { ...credentials, accessKeyId: 'AKIDOTHER' } });
    await refused(unknown.send(new ListModelCustomizationJobsCommand({})), 'UnrecognizedClientException', 403);
    const session = new BedrockClient({ ...config, credentials: { ...credentials, sessionToken: 'x' } });
    await refused(session.send(new ListModelCustomizationJobsCommand({})), 'UnrecognizedClientException', 403);
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
