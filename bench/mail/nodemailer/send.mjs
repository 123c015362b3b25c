// nodemailer's pool with MongoDB. A task comes as a line of JSON; it says `ready`, works at the next line, and prints
// what it used. With `insert` each message is inserted, sent and updated; without, what was queued is read, sent and
// updated.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { MongoClient } from "mongodb";
import nodemailer from "nodemailer";

const CONNECTIONS = 10;
const AT_ONCE = 4 * CONNECTIONS; // so that no connection waits for MongoDB

const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const task = JSON.parse((await input.next()).value);

const client = await new MongoClient(task.mongoUri, { writeConcern: { w: "majority" } }).connect();
const collection = client.db(task.database).collection("messages");
const transport = nodemailer.createTransport({
  host: "127.0.0.1",
  port: task.port,
  pool: true,
  maxConnections: CONNECTIONS,
  ignoreTLS: true,
});

async function deliver(id, message) {
  const { to, subject, text, html } = message;
  const info = await transport.sendMail({ from: task.sender, to, subject, text, html });
  const done = await collection.updateOne(
    { _id: id, status: "queued" },
    { $set: { status: "sent", sentAt: new Date(), response: info.response, messageId: info.messageId } },
  );
  return done.matchedCount;
}

async function* inserted() {
  for (const line of readFileSync(task.file, "utf8").trimEnd().split("\n")) yield JSON.parse(line);
}

async function work(source, one) {
  let done = 0;
  const worker = async () => {
    for (let next = await source.next(); !next.done; next = await source.next()) done += await one(next.value);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return done;
}

const ways = {
  insert: () =>
    work(inserted(), async (message) => {
      const { insertedId } = await collection.insertOne({ ...message, status: "queued", createdAt: new Date() });
      return deliver(insertedId, message);
    }),
  queued: () =>
    work(collection.find({ status: "queued" }, { batchSize: 500 })[Symbol.asyncIterator](), (message) =>
      deliver(message._id, message),
    ),
};

console.log("ready");
await input.next();
const [before, begin] = [process.cpuUsage(), performance.now()];
const rows = await ways[task.way]();
const used = process.cpuUsage(before);
console.log(
  JSON.stringify({
    rows,
    seconds: (performance.now() - begin) / 1000,
    processor_seconds: (used.user + used.system) / 1e6,
    peak_bytes: process.resourceUsage().maxRSS * 1024,
    start_seconds: (before.user + before.system) / 1e6,
  }),
);
transport.close();
await client.close();
process.exit(0);
