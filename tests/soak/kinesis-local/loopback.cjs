// Loaded before kinesis-local: binds it to the loopback interface, prints the port of plain HTTP,
// and ends it with its parent process.
"use strict";

const net = require("node:net");

const listen = net.Server.prototype.listen;
const tlsPort = Number(process.env.KINESIS_MOCK_TLS_PORT);

net.Server.prototype.listen = function (port, ...rest) {
  if (port === tlsPort) {
    port = 0; // any free port: TLS is not used
  } else {
    this.once("listening", () => console.log(`plain HTTP on port ${this.address().port}`));
  }
  return listen.call(this, port, "127.0.0.1", ...rest);
};

process.stdin.on("end", () => process.exit(0)).resume();
