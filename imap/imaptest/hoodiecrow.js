// Serves hoodiecrow-imap on a free loopback port, which it prints, and ends when its input does. The argument is what
// to serve, as JSON.
"use strict";
const { claims, ...options } = JSON.parse(process.argv.at(-1));
options.plugins.push((server) => claims.forEach((claim) => server.registerCapability(claim)));
const server = require("hoodiecrow-imap")(options);
server.listen(0, "127.0.0.1", () => console.log(server.server.address().port));
process.stdin.on("end", () => process.exit()).resume();
