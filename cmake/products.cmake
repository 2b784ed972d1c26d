# The libraries that come out: etch_rt deploys, etch is everything.

etch_shared(etch_rt etch_ir etch_runtime)
set_target_properties(etch_rt PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0)
etch_public_includes(etch_rt)

etch_shared(etch etch_passes etch_codegen etch_tracer etch_onnx)
set_target_properties(etch PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0)
target_link_libraries(etch PUBLIC etch_rt
  PRIVATE $<BUILD_INTERFACE:protobuf::libprotobuf-lite> ${CMAKE_DL_LIBS})
etch_public_includes(etch)
