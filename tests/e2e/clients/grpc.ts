// A call and an error over gRPC, with what protoc-gen-es makes of the contracts.

import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { BadRequestSchema, ErrorInfoSchema } from "./ts/google/rpc/error_details_pb.js";
import { AuthService } from "./ts/internshipconnect/auth/v1/auth_pb.js";
import { InternshipService } from "./ts/internshipconnect/internship/v1/internship_pb.js";

const MAX_TRIES = 5;
const BUSY = [Code.ResourceExhausted, Code.Unavailable, Code.DeadlineExceeded];

// Calls again, later each time, what a busy service refuses.
const retryWhileBusy: Interceptor = (next) => async (request) => {
  for (let tries = 1; ; tries += 1) {
    try {
      return await next(request);
    } catch (error) {
      if (tries === MAX_TRIES || !BUSY.includes(ConnectError.from(error).code)) {
        throw error;
      }
      await new Promise((done) => setTimeout(done, 200 * 2 ** tries));
    }
  }
};

const transport = createGrpcTransport({ baseUrl: process.env.GATEWAY ?? "", interceptors: [retryWhileBusy] });
const { keys } = await createClient(AuthService, transport).getJwks({});
const internships = createClient(InternshipService, transport);
const found = await internships.listInternships({ pageSize: 1 });

try {
  await internships.getInternship({ internshipId: "int_1" });
  throw new Error("a wrong ID was taken");
} catch (error) {
  const refused = ConnectError.from(error);
  console.log(
    JSON.stringify({
      keys: keys.length > 0 && keys[0]?.alg,
      page: found.data.length <= 1,
      code: Code[refused.code],
      reason: refused.findDetails(ErrorInfoSchema)[0]?.reason,
      field: refused.findDetails(BadRequestSchema)[0]?.fieldViolations[0]?.field,
    }),
  );
}
