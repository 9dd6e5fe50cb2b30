// A call and an error over gRPC, with what protoc-gen-es makes of the contracts.

import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { BadRequestSchema, ErrorInfoSchema } from "./ts/google/rpc/error_details_pb.js";
import { AuthService } from "./ts/internshipconnect/auth/v1/auth_pb.js";
import { InternshipService } from "./ts/internshipconnect/internship/v1/internship_pb.js";

const transport = createGrpcTransport({ baseUrl: process.env.GATEWAY ?? "" });
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
