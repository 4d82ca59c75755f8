// Sends identifies with Segment's Node SDK as it is: `send.cjs MODULE URL DOMAIN EVENTS CONTACTS`, the key in SDK_KEY.
// Says, as JSON, which errors it met. (CommonJS, as only that looks into NODE_PATH.)

const [module_, host, domain, events, contacts] = process.argv.slice(2)
const { Analytics } = require(module_)

async function main() {
  const errors = []
  const now = new Date()
  const analytics = new Analytics({ writeKey: process.env.SDK_KEY, host })
  analytics.on('error', (error) => errors.push(`${error.code}: ${error.reason}`))
  for (let number = 0; number < Number(events); number++) {
    const contact = `contact-${number % Number(contacts)}`
    analytics.identify({ userId: contact, traits: { email: `${contact}@${domain}` }, timestamp: now })
  }
  await analytics.closeAndFlush()
  console.log(JSON.stringify(errors))
}

main()
