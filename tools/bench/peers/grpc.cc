// SPDX-License-Identifier: MIT
//
// A call by gRPC.
//
// In its favour: a unix socket without a file, no TLS, one channel and stub for all calls, the
// synchronous API on both sides, which needs the fewest hand-overs for one call at a time. Its
// server is not pinned: the kernel may have it answer on the caller's core, where waking costs
// least.
#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <string>

#include "counter.grpc.pb.h"
#include "peer.h"

namespace {

class Service final : public bench::Counter::Service {
  grpc::Status Add(grpc::ServerContext*, const bench::AddRequest* request,
                   bench::AddReply* reply) override {
    reply->set_sum(sum_ += request->n());
    return grpc::Status::OK;
  }
  std::int64_t sum_ = 0;
};

}  // namespace

int main(int, char** argv) {
  const std::string address = "unix-abstract:remoteobj_bench_" + std::to_string(getpid());
  // Before anything of gRPC's: its threads would not be in the fork.
  peer::StartServer(argv, [&](int) {
    Service service;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    builder.RegisterService(&service);
    const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    server->Wait();
  });
  const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10));
  const auto stub = bench::Counter::NewStub(channel);
  bench::AddRequest request;
  request.set_n(1);
  return peer::Serve({{"call",
                       [&] {
                         grpc::ClientContext context;
                         bench::AddReply reply;
                         if (!stub->Add(&context, request, &reply).ok()) std::exit(1);
                       }}},
                     argv);
}
