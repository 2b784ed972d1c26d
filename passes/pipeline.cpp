#include "passes/pipeline.h"

#include "passes/batch.h"
#include "passes/cse.h"
#include "passes/dce.h"
#include "passes/decompose.h"
#include "passes/fold.h"
#include "passes/fuse.h"
#include "passes/outline.h"
#include "passes/simplify.h"

namespace etch::passes {
namespace {

constexpr Pass kPipeline[] = {
    {"outline", nullptr, PassClass::Exact, "what follows works once on what repeats", outline},
    {"dce", dce, PassClass::Exact, "what nobody reads should cost no later pass anything"},
    {"simplify", simplify, PassClass::Exact, "algebra is cheapest while composites are one node"},
    {"decompose", decompose, PassClass::Exact, "from here on only kernels' operators remain"},
    {"fold", fold, PassClass::Exact, "bodies bring constants of their own"},
    {"simplify", simplify, PassClass::Exact, "bodies and folded numbers make new algebra"},
    {"cse", cse, PassClass::Exact, "bodies and gradients compute the same things twice"},
    {"dce", dce, PassClass::Exact, "rewrites leave the old nodes behind"},
    {"batch", batch, PassClass::Exact, "equal nodes are one, and kernels still single operators"},
    {"fuse", fuse, PassClass::Exact, "last: kernels are the finished graph's operators, grouped"},
};

}  // namespace

std::span<const Pass> pipeline() { return kPipeline; }

}  // namespace etch::passes
