// SPDX-License-Identifier: MIT
//
// Everything, in one include. A program that uses one module can include and link that alone.
#ifndef REMOTEOBJ_REMOTEOBJ_H_
#define REMOTEOBJ_REMOTEOBJ_H_

// IWYU pragma: begin_exports
#include "remoteobj/except/except.h"
#include "remoteobj/except/generator.h"
#include "remoteobj/except/remote_error.h"
#include "remoteobj/except/traceback.h"
#include "remoteobj/except/type_name.h"
#include "remoteobj/except/wrapped.h"
#include "remoteobj/process/interruption.h"
#include "remoteobj/process/job.h"
#include "remoteobj/process/log_prefix.h"
#include "remoteobj/process/options.h"
#include "remoteobj/process/process.h"
#include "remoteobj/process/process_died.h"
#include "remoteobj/process/spawn.h"
#include "remoteobj/process/thread.h"
#include "remoteobj/proxy/describe.h"
#include "remoteobj/proxy/evaluate.h"
#include "remoteobj/proxy/future.h"
#include "remoteobj/proxy/proxy.h"
#include "remoteobj/proxy/view.h"
#include "remoteobj/transport/channel.h"
#include "remoteobj/transport/codec.h"
#include "remoteobj/transport/descriptors.h"
#include "remoteobj/transport/errors.h"
#include "remoteobj/transport/in_process_channel.h"
#include "remoteobj/transport/interruption.h"
#include "remoteobj/transport/message.h"
#include "remoteobj/transport/packed.h"
#include "remoteobj/transport/shared_log.h"
#include "remoteobj/transport/shared_memory_channel.h"
#include "remoteobj/transport/value.h"
// IWYU pragma: end_exports

#endif  // REMOTEOBJ_REMOTEOBJ_H_
