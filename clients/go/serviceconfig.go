package rerankd

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"sync"
)

// A copy of the file beside the protos, because go:embed reads nothing outside the module.
//
//go:embed rerankd_grpc_service_config.json
var serviceConfigFile []byte

// serviceConfig gives retries, retry throttling and round_robin, as the API asks for. Its timeouts are
// left out: gRPC takes the shorter of them and the call's own, so a caller could not ask for more.
var serviceConfig = sync.OnceValue(func() string {
	var config map[string]any
	if err := json.Unmarshal(serviceConfigFile, &config); err != nil {
		panic(fmt.Sprintf("rerankd: the embedded service config is no JSON: %v", err))
	}
	methods, _ := config["methodConfig"].([]any)
	for _, method := range methods {
		if method, ok := method.(map[string]any); ok {
			delete(method, "timeout")
		}
	}
	stripped, err := json.Marshal(config)
	if err != nil {
		panic(fmt.Sprintf("rerankd: the embedded service config cannot be written: %v", err))
	}
	return string(stripped)
})
