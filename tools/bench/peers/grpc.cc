// SPDX-License-Identifier: MIT
//
// A call by gRPC.
//
// In its favour: a unix socket without a file and without TLS (`call`), or TCP with TLS, where that
// is measured (`tls-call`); one channel and stub for all calls, the synchronous API on both sides,
// which needs the fewest hand-overs for one call at a time. Its server is not pinned: the kernel
// may have it answer on the caller's core, where waking costs least.
#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
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

std::string Pem(const std::string& name) {
  std::ifstream in(std::string(std::getenv("BENCH_CERTIFICATES")) + "/" + name + ".pem");
  return {std::istreambuf_iterator<char>(in), {}};
}

std::shared_ptr<grpc::ServerCredentials> ServerTls() {
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs = {{Pem("server_key"), Pem("server")}};
  return grpc::SslServerCredentials(options);
}

std::function<void()> CallsBy(const std::string& address,
                              const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  const auto channel = grpc::CreateChannel(address, credentials);
  channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10));
  const std::shared_ptr<bench::Counter::Stub> stub = bench::Counter::NewStub(channel);
  return [stub] {
    bench::AddRequest request;
    request.set_n(1);
    grpc::ClientContext context;
    bench::AddReply reply;
    if (!stub->Add(&context, request, &reply).ok()) std::exit(1);
  };
}

}  // namespace

int main(int, char** argv) {
  const std::string address = "unix-abstract:remoteobj_bench_" + std::to_string(getpid());
  int port[2];
  if (pipe(port) != 0) return 1;
  // Before anything of gRPC's: its threads would not be in the fork.
  peer::StartServer(argv, [&](int) {
    Service service;
    grpc::ServerBuilder builder;
    int bound = 0;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    builder.AddListeningPort("127.0.0.1:0", ServerTls(), &bound);
    builder.RegisterService(&service);
    const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    if (write(port[1], &bound, sizeof bound) != sizeof bound) return;
    server->Wait();
  });
  int bound = 0;
  if (read(port[0], &bound, sizeof bound) != sizeof bound) return 1;
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = Pem("ca");
  return peer::Serve(
      {{"call", CallsBy(address, grpc::InsecureChannelCredentials())},
       {"tls-call", CallsBy("127.0.0.1:" + std::to_string(bound), grpc::SslCredentials(tls))}},
      argv);
}
