// Runs deploy/segment/destination-function.js as Segment does: handlers that find fetch, btoa and Segment's errors as
// globals. Reads a list of [handler, payload, settings] from stdin; writes what each returned or threw.

const fs = require('fs');
const vm = require('vm');

class RetryError extends Error {}
class ValidationError extends Error {}

const requests = [];
const counted = (url, options) => {
	requests.push(options.body.length);
	return fetch(url, options);
};

async function main() {
	const context = vm.createContext({ fetch: counted, btoa, RetryError, ValidationError });
	vm.runInContext(fs.readFileSync(process.argv[2], 'utf8'), context);
	const outcomes = [];
	for (const [handler, payload, settings] of JSON.parse(fs.readFileSync(0, 'utf8'))) {
		requests.length = 0;
		let outcome;
		try {
			outcome = { returned: await context[handler](payload, settings) };
		} catch (error) {
			outcome = { thrown: error.constructor.name, message: error.message };
		}
		outcomes.push({ ...outcome, requests: requests.length });
	}
	process.stdout.write(JSON.stringify(outcomes));
}

main();
