/** Whatever cannot be done is told as problem+json (RFC 9457), in words that say what to do. */
import { STATUS_CODES } from 'node:http';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { explain, GatewayError, TransientError } from '../errors.ts';
import { redact } from '../text/redact.ts';

const problemSchema = z
  .strictObject({
    type: z.literal('about:blank'),
    title: z.string().describe('The words of the status code.'),
    status: z.int(),
    detail: z.string().describe('What is wrong, and what to do.'),
    code: z.string().optional().describe('A code of docs/errors.md, where there is one.'),
    errors: z
      .array(z.strictObject({ path: z.string(), message: z.string() }))
      .optional()
      .describe('What is wrong with the request, value by value.'),
  })
  .meta({ id: 'Problem', description: 'RFC 9457' });

type Problem = z.output<typeof problemSchema>;

/** An answer of this kind in the OpenAPI document. */
export const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: problemSchema } },
});

/** Thrown by hooks and handlers: the answer is this status and these words. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly errors: Problem['errors'];

  constructor(
    status: number,
    detail: string,
    headers: Readonly<Record<string, string>> = {},
    errors: Problem['errors'] = undefined,
  ) {
    super(detail);
    this.status = status;
    this.headers = headers;
    this.errors = errors;
  }
}

export const refusals = { 401: problem('No token, or a wrong one.'), 503: problem('Redis does not answer.') };

const RETRY_AFTER_SECONDS = '1';
const TOO_LONG = { status: 503, detail: 'there was no answer in time; Redis may be away' };
const SLOW_BODY = { status: 408, detail: 'the body of the request did not come' };

/** @param onSlowBody - called for each request whose body did not come in time */
export function installProblems(app: FastifyInstance, onSlowBody: (request: FastifyRequest) => void): void {
  app.setErrorHandler((error: FastifyError, request, reply) => {
    if (error instanceof HttpProblem) return sendProblem(reply, error);
    if (hasZodFastifySchemaValidationErrors(error)) {
      const errors = error.validation.map(({ instancePath, message }) => ({
        path: instancePath,
        message: message ?? 'is wrong',
      }));
      return answer(reply, { status: 400, detail: `the ${error.validationContext ?? 'request'} is wrong`, errors });
    }
    if (error instanceof TransientError) {
      const { code } = error;
      return answer(reply.header('retry-after', RETRY_AFTER_SECONDS), { status: 503, detail: explain(error), code });
    }
    if (error.code === 'FST_ERR_HANDLER_TIMEOUT') {
      if (request.raw.complete) return answer(reply.header('retry-after', RETRY_AFTER_SECONDS), TOO_LONG);
      onSlowBody(request);
      return answer(reply.header('connection', 'close'), SLOW_BODY);
    }
    if (request.raw.destroyed && !request.raw.complete) return answer(reply, SLOW_BODY);
    const { statusCode = 500 } = error;
    if (statusCode < 500) return answer(reply, { status: statusCode, detail: refusalOf(error) });
    request.log.error({ err: error, event: 'web.defect', route: routeOf(request) }, 'a request failed by a defect');
    const code = error instanceof GatewayError ? error.code : 'BUG';
    return answer(reply, { status: 500, detail: 'a defect of Holdfast; its log has the stack', code });
  });
  // Anybody gets here, before any guard: nothing of the request is looked at or repeated.
  app.setNotFoundHandler((_request, reply) =>
    answer(reply, {
      status: 404,
      detail: 'there is nothing here; docs/http.md and /api/openapi.json list what there is',
    }),
  );
}

/** Fastify's `frameworkErrors`: what it refuses before it knows a route. */
export function refuseUnread(error: FastifyError, _request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { statusCode = 400 } = error;
  return answer(reply, { status: statusCode, detail: refusalOf(error) });
}

/** For hooks, in whose scope another error handler may rule. */
export function sendProblem(reply: FastifyReply, { status, headers, message, errors }: HttpProblem): FastifyReply {
  return answer(reply.headers(headers), { status, detail: message, ...(errors === undefined ? {} : { errors }) });
}

/** As it stands in the code: what was asked for may hold anything, even what belongs in no log. */
function routeOf({ method, routeOptions }: FastifyRequest): string {
  return `${method} ${routeOptions.url ?? 'unknown'}`;
}

/** Fastify's own refusals quote the request (its path, its content type); these say the same without. */
const REFUSALS: ReadonlyMap<string, string> = new Map([
  ['FST_ERR_BAD_URL', 'the path is not well-formed'],
  ['FST_ERR_CTP_INVALID_MEDIA_TYPE', 'this content type is not understood: send application/json'],
  ['FST_ERR_CTP_BODY_TOO_LARGE', 'the body is too large'],
  ['FST_ERR_CTP_EMPTY_JSON_BODY', 'the body is empty: send JSON, or no content-type'],
  ['FST_ERR_CTP_INVALID_JSON_BODY', 'the body is not JSON'],
  ['FST_ERR_CTP_INVALID_CONTENT_LENGTH', 'content-length does not match the body'],
]);

function refusalOf({ code, statusCode = 400 }: FastifyError): string {
  return REFUSALS.get(code) ?? `the request was not understood (${STATUS_CODES[statusCode] ?? statusCode})`;
}

function answer(reply: FastifyReply, { status, detail, ...rest }: Omit<Problem, 'type' | 'title'>): FastifyReply {
  const problem: Problem = {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail: redact(detail),
    ...rest,
  };
  return reply.code(status).type('application/problem+json').send(JSON.stringify(problem));
}
