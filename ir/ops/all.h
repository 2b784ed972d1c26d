// Every operator family.
#pragma once

#include "ir/ops/activation.h"
#include "ir/ops/contract.h"
#include "ir/ops/control.h"
#include "ir/ops/create.h"
#include "ir/ops/elementwise.h"
#include "ir/ops/index.h"
#include "ir/ops/math.h"
#include "ir/ops/nn.h"
#include "ir/ops/pool.h"
#include "ir/ops/random.h"
#include "ir/ops/reduce.h"
#include "ir/ops/view.h"
