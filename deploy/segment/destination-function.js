// A Segment Destination Function that sends identify calls to Daymark (docs/segment-function.md).
//
// Settings: `endpoint`, such as https://ingest.example.com, and `apiKey`, a secret. What Daymark refuses for the event's
// own sake becomes a ValidationError with Daymark's message: Segment shows it and does not retry. Everything else is
// retried, a wrong key or address too: Segment discards what is not, and both can be mended within its four hours.

const BATCH_BYTES = 4 * 1024 * 1024 - 1024; // DAYMARK_REQUEST_LIMIT_BYTES, less what stands around the events
const BATCH_EVENTS = 4000; // DAYMARK_REQUEST_LIMIT_EVENTS
const OF_THE_EVENT = [400, 413];

async function onIdentify(event, settings) {
	const { status, body } = await post('/v1/identify', JSON.stringify(event), settings);
	if (status === 200) return;
	if (OF_THE_EVENT.includes(status)) throw new ValidationError(message(status, body));
	throw new RetryError(message(status, body));
}

// Returns a status for each event: Segment sends again only those that may succeed.
async function onBatch(events, settings) {
	const outcomes = events.map(event => ({ status: 400, errormessage: `${event.type} calls are not supported` }));
	const texts = events.map(event => JSON.stringify(event));
	const identifies = [...events.keys()].filter(index => events[index].type === 'identify');
	for (const indexes of chunks(identifies, texts)) {
		const outcome = await sendBatch(indexes.map(index => texts[index]), settings);
		indexes.forEach((index, place) => (outcomes[index] = outcome[place]));
	}
	return outcomes;
}

async function sendBatch(texts, settings) {
	let answer;
	try {
		answer = await post('/v1/batch', `{"batch":[${texts.join(',')}]}`, settings);
	} catch (error) {
		return texts.map(() => ({ status: 500, errormessage: error.message }));
	}
	const { status, body } = answer;
	if (!Array.isArray(body.rejected)) return texts.map(() => ({ status: 500, errormessage: message(status, body) }));
	const outcomes = texts.map(() => ({ status: 200 }));
	for (const { index, message: why } of body.rejected) outcomes[index] = { status: 400, errormessage: why };
	return outcomes;
}

// Groups of events that one request may carry; UTF-16 units are counted as three bytes, which no text exceeds.
function chunks(indexes, texts) {
	const groups = [];
	let room = 0;
	for (const index of indexes) {
		const bytes = 3 * texts[index].length + 1;
		const last = groups[groups.length - 1];
		if (!last || bytes > room || last.length === BATCH_EVENTS) {
			groups.push([index]);
			room = BATCH_BYTES - bytes;
		} else {
			last.push(index);
			room -= bytes;
		}
	}
	return groups;
}

async function post(path, text, settings) {
	let response;
	try {
		response = await fetch(settings.endpoint.replace(/\/+$/, '') + path, {
			method: 'POST',
			headers: { Authorization: `Basic ${btoa(`${settings.apiKey}:`)}`, 'Content-Type': 'application/json' },
			body: text
		});
		return { status: response.status, body: await response.json() };
	} catch (error) {
		const status = response ? `HTTP ${response.status}, which is not Daymark's: ` : '';
		throw new RetryError(`${settings.endpoint}: ${status}${error.message}`);
	}
}

function message(status, body) {
	return `${body.message || 'no message'} (${body.code || 'no code'}, HTTP ${status})`;
}
