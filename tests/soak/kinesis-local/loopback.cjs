// Loaded before kinesis-local: keeps it on this machine, says where it listens for plain HTTP, and
// ends it with its parent.
"use strict";

const net = require("node:net");

const listen = net.Server.prototype.listen;
const tlsPort = Number(process.env.KINESIS_MOCK_TLS_PORT);

net.Server.prototype.listen = function (port, ...rest) {
  if (port === tlsPort) {
    port = 0; // nobody uses it, so it must not take a port that somebody else does
  } else {
    this.once("listening", () => console.log(`plain HTTP on port ${this.address().port}`));
  }
  return listen.call(this, port, "127.0.0.1", ...rest);
};

process.stdin.on("end", () => process.exit(0)).resume();
