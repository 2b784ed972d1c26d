#include "codegen/llvm/emitter.h"

#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/MDBuilder.h>

namespace etch::codegen {

using namespace llvm;
using ir::Prim;

Emitter::Emitter(Module& module, const KernelPlan& plan, const Target& target,
                 const CompileOptions& options, EntryInfo& info)
    : plan_(plan),
      options_(options),
      info_(info),
      b_(module.getContext()),
      entry_(module.getContext()) {
  wide_masks_ = target.isa == runtime::Isa::Avx512;
  vector_bits_ = wide_masks_ ? 512 : 256;
  lanes_ = vector_bits_ / plan.lane_bits;
  auto* type = FunctionType::get(b_.getVoidTy(), {b_.getPtrTy()}, false);
  fn_ = Function::Create(type, Function::ExternalLinkage, info.symbol, module);
  fn_->addFnAttr(Attribute::NoUnwind);
  fn_->addFnAttr("target-cpu", target.cpu);
  fn_->addFnAttr("target-features", target.features);
  fn_->addFnAttr("prefer-vector-width", "512");
  fn_->addFnAttr("no-builtins");
  fn_->addParamAttr(0, Attribute::NoAlias);
  auto* entry = BasicBlock::Create(module.getContext(), "entry", fn_);
  auto* body = BasicBlock::Create(module.getContext(), "body", fn_);
  entry_.SetInsertPoint(entry);
  entry_.SetInsertPoint(entry_.CreateBr(body));
  b_.SetInsertPoint(body);
}

void Emitter::run() {
  find_idioms();
  switch (plan_.skeleton) {
    case Skeleton::Pointwise:
      emit_pointwise();
      break;
    case Skeleton::Row:
      emit_row();
      break;
    case Skeleton::Column:
      emit_column();
      break;
  }
  b_.CreateRetVoid();
}

// ---- arguments
// ------------------------------------------------------------------------------------

Value* Emitter::field(unsigned i) {
  Value*& v = arguments_[i];
  if (v == nullptr) {
    bool number = i == kBegin || i == kEnd;
    Value* at = entry_.CreateConstGEP1_64(entry_.getInt64Ty(), fn_->getArg(0), i);
    v = entry_.CreateLoad(number ? static_cast<Type*>(entry_.getInt64Ty()) : entry_.getPtrTy(), at);
  }
  return v;
}

Value* Emitter::argument(unsigned table_field, uint64_t i) {
  uint64_t key = (uint64_t{table_field} + 1) << 32 | i;
  if (Value* known = arguments_.lookup(key)) return known;
  Value* table = field(table_field);
  bool pointer = table_field == kBuffers;
  Value* at = entry_.CreateConstGEP1_64(entry_.getInt64Ty(), table, i);
  Value* v =
      entry_.CreateLoad(pointer ? static_cast<Type*>(entry_.getPtrTy()) : entry_.getInt64Ty(), at);
  return arguments_[key] = v;
}

Value* Emitter::stride(int access, int axis) {
  int axes = plan_.outer + plan_.inner;
  return argument(kStrides, static_cast<uint64_t>(access * axes + axis));
}

Value* Emitter::scratch_at(int64_t bytes) {
  return b_.CreateConstGEP1_64(b_.getInt8Ty(), field(kScratch), static_cast<uint64_t>(bytes));
}

Value* Emitter::slots(DType t, int64_t count, const char* name) {
  auto* a = entry_.CreateAlloca(ArrayType::get(memory_type(b_, t, 1), static_cast<uint64_t>(count)),
                                nullptr, name);
  a->setAlignment(Align(64));
  return a;
}

// ---- control flow
// ---------------------------------------------------------------------------------

Values Emitter::loop(Value* from, Value* to, int64_t step, const Values& carried,
                     function_ref<Values(Value*, const Values&)> body) {
  BasicBlock* before = b_.GetInsertBlock();
  auto* block = BasicBlock::Create(b_.getContext(), "loop", fn_);
  auto* exit = BasicBlock::Create(b_.getContext(), "exit", fn_);
  b_.CreateCondBr(b_.CreateICmpSLT(from, to), block, exit);
  b_.SetInsertPoint(block);
  PHINode* i = b_.CreatePHI(b_.getInt64Ty(), 2);
  i->addIncoming(from, before);
  Values state;
  for (Value* c : carried) {
    PHINode* phi = b_.CreatePHI(c->getType(), 2);
    phi->addIncoming(c, before);
    state.push_back(phi);
  }
  Values next = body(i, state);
  Value* following = b_.CreateNSWAdd(i, b_.getInt64(static_cast<uint64_t>(step)));
  BasicBlock* latch = b_.GetInsertBlock();
  i->addIncoming(following, latch);
  for (size_t k = 0; k < next.size(); ++k) cast<PHINode>(state[k])->addIncoming(next[k], latch);
  b_.CreateCondBr(b_.CreateICmpSLT(following, to), block, exit);
  b_.SetInsertPoint(exit);
  Values out;
  for (size_t k = 0; k < next.size(); ++k) {
    PHINode* phi = b_.CreatePHI(next[k]->getType(), 2);
    phi->addIncoming(carried[k], before);
    phi->addIncoming(next[k], latch);
    out.push_back(phi);
  }
  return out;
}

void Emitter::loop(Value* from, Value* to, int64_t step, function_ref<void(Value*)> body) {
  loop(from, to, step, {}, [&](Value* i, const Values&) {
    body(i);
    return Values{};
  });
}

void Emitter::when(Value* condition, function_ref<void()> then) {
  auto* yes = BasicBlock::Create(b_.getContext(), "then", fn_);
  auto* after = BasicBlock::Create(b_.getContext(), "after", fn_);
  b_.CreateCondBr(condition, yes, after);
  b_.SetInsertPoint(yes);
  then();
  b_.CreateBr(after);
  b_.SetInsertPoint(after);
}

void Emitter::walk(const Frame& parent, int first, int count, Value* from, Value* to,
                   Stretch body) {
  int last = first + count - 1;
  if (count == 1) {
    Frame f = child(parent);
    f.open |= uint64_t{1} << last;
    body(f, from, from, to);
    return;
  }
  when(b_.CreateICmpSLT(from, to), [&] {
    Values start(static_cast<size_t>(count) + 1);
    Value* rest = from;
    for (int a = count - 1; a >= 0; --a) {
      Value* n = size(first + a);
      start[static_cast<size_t>(a)] = a == 0 ? rest : b_.CreateURem(rest, n);
      if (a != 0) rest = b_.CreateUDiv(rest, n);
    }
    start.back() = from;
    BasicBlock* before = b_.GetInsertBlock();
    auto* block = BasicBlock::Create(b_.getContext(), "stretch", fn_);
    auto* exit = BasicBlock::Create(b_.getContext(), "walked", fn_);
    b_.CreateBr(block);
    b_.SetInsertPoint(block);
    SmallVector<PHINode*, 8> at;
    for (Value* s : start) {
      at.push_back(b_.CreatePHI(b_.getInt64Ty(), 2));
      at.back()->addIncoming(s, before);
    }
    Value* p = at.back();
    Value* j0 = at[static_cast<size_t>(count) - 1];
    Value* length = b_.CreateBinaryIntrinsic(Intrinsic::smin, b_.CreateSub(size(last), j0),
                                             b_.CreateSub(to, p));
    Frame f = child(parent);
    for (int a = 0; a < count - 1; ++a) {
      set_index(f, first + a, at[static_cast<size_t>(a)]);
      fold(f, first + a);
    }
    f.open |= uint64_t{1} << last;
    body(f, p, j0, b_.CreateAdd(j0, length));
    Value* next_p = b_.CreateAdd(p, length);
    Value* carry = b_.getInt64(1);
    BasicBlock* latch = b_.GetInsertBlock();
    at[static_cast<size_t>(count) - 1]->addIncoming(b_.getInt64(0), latch);
    for (int a = count - 2; a >= 0; --a) {
      Value* t = b_.CreateAdd(at[static_cast<size_t>(a)], carry);
      Value* wrap = b_.CreateICmpEQ(t, size(first + a));
      at[static_cast<size_t>(a)]->addIncoming(b_.CreateSelect(wrap, b_.getInt64(0), t), latch);
      carry = b_.CreateZExt(wrap, b_.getInt64Ty());
    }
    at.back()->addIncoming(next_p, latch);
    b_.CreateCondBr(b_.CreateICmpSLT(next_p, to), block, exit);
    b_.SetInsertPoint(exit);
  });
}

// ---- positions
// ------------------------------------------------------------------------------------

Frame Emitter::root() {
  Frame f;
  f.index.resize(static_cast<size_t>(plan_.outer + plan_.inner));
  int count = static_cast<int>(plan_.loads.size() + plan_.stores.size());
  for (int i = 0; i < count; ++i) {
    const PlanAccess& a = plan_.access(i);
    Value* buffer = argument(kBuffers, static_cast<uint64_t>(a.buffer));
    f.base.push_back(element(a.dtype, buffer, argument(kOffsets, static_cast<uint64_t>(i))));
  }
  return f;
}

Frame Emitter::child(const Frame& parent) {
  Frame f;
  f.parent = &parent;
  f.axis = parent.axis;
  f.lanes = parent.lanes;
  f.mask = parent.mask;
  f.index = parent.index;
  f.base = parent.base;
  f.open = parent.open;
  return f;
}

void Emitter::set_index(Frame& f, int axis, Value* index) {
  f.index[static_cast<size_t>(axis)] = index;
  f.open |= uint64_t{1} << axis;
}

void Emitter::vectorize(Frame& f, int axis, Value* index, int lanes, Value* mask) {
  set_index(f, axis, index);
  f.axis = axis;
  f.lanes = lanes;
  f.mask = mask;
}

Value* Emitter::element(DType t, Value* pointer, Value* index) {
  return b_.CreateGEP(memory_type(b_, t, 1), pointer, index);
}

void Emitter::fold(Frame& f, int axis) {
  Value* index = f.index[static_cast<size_t>(axis)];
  f.open &= ~(uint64_t{1} << axis);
  for (int i = 0; i < static_cast<int>(f.base.size()); ++i) {
    const PlanAccess& a = plan_.access(i);
    Step step = a.steps[static_cast<size_t>(axis)];
    if (step == Step::Zero) continue;
    Value* by = step == Step::One ? index : b_.CreateMul(index, stride(i, axis));
    Value*& base = f.base[static_cast<size_t>(i)];
    base = element(a.dtype, base, by);
  }
}

Value* Emitter::offset(const Frame& f, int access) {
  const PlanAccess& a = plan_.access(access);
  Value* sum = nullptr;
  for (int axis = 0; axis < plan_.outer + plan_.inner; ++axis) {
    Step step = a.steps[static_cast<size_t>(axis)];
    if (((f.open >> axis) & 1) == 0 || step == Step::Zero) continue;
    Value* index = f.index[static_cast<size_t>(axis)];
    Value* by = step == Step::One ? index : b_.CreateMul(index, stride(access, axis));
    sum = sum == nullptr ? by : b_.CreateAdd(sum, by);
  }
  return sum;
}

Value* Emitter::address(const Frame& f, int access) {
  Value* by = offset(f, access);
  Value* base = f.base[static_cast<size_t>(access)];
  return by == nullptr ? base : element(plan_.access(access).dtype, base, by);
}

// ---- values
// ---------------------------------------------------------------------------------------

Value* Emitter::lane_numbers(int lanes, unsigned width) {
  SmallVector<Constant*, 64> numbers;
  for (int i = 0; i < lanes; ++i) numbers.push_back(b_.getIntN(width, static_cast<uint64_t>(i)));
  return ConstantVector::get(numbers);
}

Value* Emitter::tail_mask(Value* remaining, int lanes) {
  // Lane numbers as narrow as the elements: no conversion between mask widths.
  unsigned width = lanes >= 64 ? 8 : lanes >= 32 ? 16 : 32;
  Value* count = b_.CreateBinaryIntrinsic(Intrinsic::smin, remaining,
                                          b_.getInt64(static_cast<uint64_t>(lanes)));
  Value* limit = splat(b_.CreateTrunc(count, b_.getIntNTy(width)), lanes);
  return b_.CreateICmpULT(lane_numbers(lanes, width), limit);
}

Value* Emitter::find(const Frame& f, uint32_t id) const {
  bool vector = varies(f, id);
  for (const Frame* at = &f; at != nullptr; at = at->parent) {
    if (Value* v = vector ? at->varying.lookup(id) : at->uniform.lookup(id)) return v;
  }
  return nullptr;
}

Value* Emitter::get(Frame& f, uint32_t id) {
  const ir::ExprNode& n = plan_.nodes[id];
  if (n.op == Prim::Lit) return literal(b_, n.dtype, f.lanes, n.bits);
  if (varies(f, id) || f.lanes == 1) return find(f, id);
  for (const Frame* at = &f; at != nullptr; at = at->parent) {
    Value* v = at->splat.lookup(id);
    if (v != nullptr &&
        cast<FixedVectorType>(v->getType())->getNumElements() == static_cast<unsigned>(f.lanes))
      return v;
  }
  return f.splat[id] = splat(find(f, id), f.lanes);
}

void Emitter::evaluate(Frame& f, ArrayRef<uint32_t> roots, uint64_t axes, int lanes) {
  std::vector<bool> need(plan_.nodes.size(), false), vector = need;
  for (uint32_t r : roots) need[r] = true;
  for (uint32_t id = static_cast<uint32_t>(need.size()); id-- > 0;) {
    const ir::ExprNode& n = plan_.nodes[id];
    if (!need[id] || n.op == Prim::Reduce || find(f, id) != nullptr) continue;
    bool here = (plan_.axes[id] & ~axes) == 0;
    auto needs = [&](uint32_t in) {
      need[in] = true;
      if (!here) vector[in] = true;
    };
    const Idiom* idiom = idiom_at(f, id);
    const uint32_t* in = idiom != nullptr ? idiom->in : n.in;
    for (int i = 0; i < (idiom != nullptr ? idiom->count : ir::arity(n.op)); ++i) needs(in[i]);
  }
  for (uint32_t r : roots) vector[r] = true;
  for (uint32_t id = 0; id < need.size(); ++id) {
    const ir::ExprNode& n = plan_.nodes[id];
    if (!need[id] || n.op == Prim::Lit || (plan_.axes[id] & ~axes) != 0) continue;
    Value* v = find(f, id);
    if (v == nullptr) {
      v = emit_node(f, id);
      (varies(f, id) ? f.varying : f.uniform)[id] = v;
    }
    if (lanes > 1 && vector[id] && !v->getType()->isVectorTy()) f.splat[id] = splat(v, lanes);
  }
}

Value* Emitter::emit_node(Frame& f, uint32_t id) {
  const ir::ExprNode& n = plan_.nodes[id];
  // What is the same in every lane is computed once, as a scalar.
  Frame scalar;
  Frame* at = &f;
  if (f.lanes > 1 && !varies(f, id)) {
    scalar = child(f);
    scalar.axis = -1;
    scalar.lanes = 1;
    scalar.mask = nullptr;
    at = &scalar;
  }
  switch (n.op) {
    case Prim::Load:
      return emit_load(*at, n);
    case Prim::Index:
      return emit_index(*at, static_cast<int>(n.bits));
    case Prim::Param:
      return emit_prim(b_, Prim::Cast, DType::I64, n.dtype, {argument(kParams, n.bits)});
    default:
      break;
  }
  SmallVector<Value*, 4> in;
  if (const Idiom* idiom = idiom_at(*at, id)) {
    for (int i = 0; i < idiom->count; ++i) in.push_back(get(*at, idiom->in[i]));
    return emit_idiom(*idiom, in);
  }
  for (int i = 0; i < ir::arity(n.op); ++i) in.push_back(get(*at, n.in[i]));
  DType t = plan_.nodes[n.in[n.op == Prim::Select ? 1 : 0]].dtype;
  return emit_prim(b_, n.op, t, n.dtype, in);
}

Value* Emitter::emit_index(Frame& f, int axis) {
  Value* i = f.index[static_cast<size_t>(axis)];
  if (axis != f.axis || f.lanes == 1) return i;
  return b_.CreateAdd(splat(i, f.lanes), lane_numbers(f.lanes));
}

Value* Emitter::emit_load(Frame& f, const ir::ExprNode& n) {
  int access = static_cast<int>(n.bits);
  const PlanAccess& a = plan_.access(access);
  Value* at = address(f, access);
  Step step = f.axis < 0 ? Step::Zero : a.steps[static_cast<size_t>(f.axis)];
  Value* v;
  if (f.lanes == 1 || step == Step::Zero) {
    v = load_memory(a.dtype, at, 1, nullptr);
  } else if (step == Step::One) {
    v = load_memory(a.dtype, at, f.lanes, f.mask);
  } else {
    Value* by = b_.CreateMul(lane_numbers(f.lanes), splat(stride(access, f.axis), f.lanes));
    Type* type = memory_type(b_, a.dtype, f.lanes);
    Value* pointers = b_.CreateGEP(type->getScalarType(), at, by);
    Value* mask = f.mask != nullptr ? f.mask
                                    : Constant::getAllOnesValue(FixedVectorType::get(
                                          b_.getInt1Ty(), static_cast<unsigned>(f.lanes)));
    v = from_memory(b_, a.dtype,
                    b_.CreateMaskedGather(type, pointers, Align(itemsize(a.dtype)), mask,
                                          Constant::getNullValue(type)));
  }
  return a.dtype == n.dtype ? v : emit_prim(b_, Prim::Cast, a.dtype, n.dtype, {v});
}

Value* Emitter::load_memory(DType t, Value* pointer, int lanes, Value* mask) {
  Type* type = memory_type(b_, t, lanes);
  Align align(itemsize(t));
  Value* v = mask == nullptr
                 ? static_cast<Value*>(b_.CreateAlignedLoad(type, pointer, align))
                 : b_.CreateMaskedLoad(type, pointer, align, mask, Constant::getNullValue(type));
  return from_memory(b_, t, v);
}

void Emitter::store_memory(DType t, Value* v, Value* pointer, Value* mask) {
  v = to_memory(b_, t, v);
  Align align(itemsize(t));
  if (mask == nullptr)
    b_.CreateAlignedStore(v, pointer, align);
  else
    b_.CreateMaskedStore(v, pointer, align, mask);
}

void Emitter::store(Frame& f, int s) {
  const PlanStore& st = plan_.stores[static_cast<size_t>(s)];
  const PlanAccess& a = st.access;
  int access = plan_.store_index(s);
  Value* at = address(f, access);
  Value* v = get(f, st.value);
  DType from = plan_.nodes[st.value].dtype;
  if (from != a.dtype) v = emit_prim(b_, Prim::Cast, from, a.dtype, {v});
  Step step = f.axis < 0 ? Step::Zero : a.steps[static_cast<size_t>(f.axis)];
  if (f.lanes == 1) return store_memory(a.dtype, v, at, nullptr);
  if (step == Step::One) return store_memory(a.dtype, v, at, f.mask);
  if (step == Step::Zero) {
    return store_memory(a.dtype, b_.CreateExtractElement(v, uint64_t{0}), at, nullptr);
  }
  Value* by = b_.CreateMul(lane_numbers(f.lanes), splat(stride(access, f.axis), f.lanes));
  Value* pointers = b_.CreateGEP(memory_type(b_, a.dtype, 1), at, by);
  b_.CreateMaskedScatter(to_memory(b_, a.dtype, v), pointers, Align(itemsize(a.dtype)), f.mask);
}

void Emitter::store_all(Frame& f, bool inner) {
  for (int s = 0; s < static_cast<int>(plan_.stores.size()); ++s) {
    if (plan_.stores[static_cast<size_t>(s)].inner == inner) store(f, s);
  }
}

// ---- stages
// ---------------------------------------------------------------------------------------

int Emitter::stage_count() const {
  int reducing = static_cast<int>(plan_.stages.size());
  return plan_.has_inner_stores() ? std::max(reducing, plan_.store_stage + 1) : reducing;
}

std::vector<uint32_t> Emitter::inner_store_roots() const {
  std::vector<uint32_t> roots;
  for (const PlanStore& s : plan_.stores) {
    if (s.inner) roots.push_back(s.value);
  }
  return roots;
}

std::vector<uint32_t> Emitter::stage_roots(int stage) const {
  std::vector<uint32_t> roots;
  if (stage == plan_.store_stage) roots = inner_store_roots();
  if (stage < static_cast<int>(plan_.stages.size())) {
    for (uint32_t r : plan_.stages[static_cast<size_t>(stage)])
      roots.push_back(plan_.nodes[r].in[0]);
  }
  return roots;
}

}  // namespace etch::codegen
