#include "onnx_export/profiles.h"

namespace etch::onnx {
namespace {

constexpr std::string_view kTensorRtRefuses =
    " AffineGrid Bernoulli BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor CenterCropPad Col2Im"
    " Compress ConvInteger DFT Det DynamicQuantizeLinear ImageDecoder MatMulInteger MaxRoiPool"
    " MaxUnpool MelWeightMatrix Multinomial NegativeLogLikelihoodLoss Optional OptionalGetElement"
    " OptionalHasElement QLinearConv QLinearMatMul SoftmaxCrossEntropyLoss TfIdfVectorizer Unique ";

constexpr std::string_view kTensorFlowRefuses =
    " BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Col2Im DFT DeformConv ImageDecoder Loop Scan ";

constexpr std::string_view kMxnetTakes =
    " Abs Acos Add And ArgMax ArgMin Asin Atan AveragePool BatchNormalization Cast Ceil Clip Concat"
    " Constant Conv ConvTranspose Cos DepthToSpace Div Dropout Elu Equal Exp Expand Flatten Floor"
    " Gemm GlobalAveragePool GlobalMaxPool Greater HardSigmoid Identity InstanceNormalization LRN"
    " LeakyRelu Less Log LogSoftmax MatMul Max MaxPool Mean Min Mul Neg Not Or PRelu Pad Pow"
    " Reciprocal ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Relu Reshape Shape Sigmoid Sin"
    " Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh"
    " Transpose Unsqueeze Xor ";

constexpr std::string_view kCaffe2Refuses =
    " BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor IsNaN NonMaxSuppression Scan Scatter "
    "Trilu ";

constexpr Profile kProfiles[] = {
    {"caffe2", "Caffe2", 7, 9, 3, kCaffe2Refuses, false, false},
    {"coreml", "ONNX Runtime with Core ML", 7, 26, 13, "", false, true},
    {"mxnet", "MXNet 1.8", 7, 8, 3, kMxnetTakes, true, false},
    {"openvino", "OpenVINO", 7, 20, 9, "", false, false},
    {"ort", "ONNX Runtime", 7, 26, 13, "", false, true},
    {"tensorflow", "onnx-tensorflow", 7, 15, 8, kTensorFlowRefuses, false, false},
    {"tensorrt", "TensorRT", 9, 24, 12, kTensorRtRefuses, false, false},
};

bool has_word(std::string_view words, std::string_view word) {
  for (size_t at = words.find(word); at != words.npos; at = words.find(word, at + 1)) {
    if (words[at - 1] == ' ' && words[at + word.size()] == ' ') return true;
  }
  return false;
}

}  // namespace

std::span<const Profile> profiles() { return kProfiles; }

const Profile* find_profile(std::string_view name) {
  for (const Profile& p : kProfiles) {
    if (p.name == name) return &p;
  }
  return nullptr;
}

bool takes_op(const Profile& p, std::string_view onnx_op) {
  return has_word(p.ops, onnx_op) == p.only;
}

}  // namespace etch::onnx
