/** Names of members that the formats define, those of JSON schemas among them. Any other name is text of its sender. */
export const knownNames: ReadonlySet<string> = new Set(
  `model messages system tools tool_choice functions function_call max_tokens max_completion_tokens n stream stream_options
   include_usage include_obfuscation temperature top_p top_k stop stop_sequences presence_penalty frequency_penalty
   repetition_penalty min_p seed user safety_identifier prompt_cache_key prompt_cache_retention metadata user_id store
   response_format json_schema schema strict logit_bias logprobs top_logprobs parallel_tool_calls prediction modalities audio
   voice format reasoning reasoning_effort effort summary verbosity service_tier web_search_options search_context_size
   user_location approximate city country region timezone plugins models provider documents thinking budget_tokens display
   mcp_servers authorization_token tool_configuration allowed_tools container skills context_management edits output_config
   output_format betas speed inference_geo
   role content type text name id index object created status refusal reasoning_content reasoning_details annotations
   tool_calls tool_call_id function custom arguments input image_url url detail input_audio data file file_data file_id
   filename video_url audio_url document_url cache_control ttl source media_type title context citations enabled cited_text
   document_index document_title start_char_index end_char_index start_page_number end_page_number start_block_index
   end_block_index search_result_index start_index end_index url_citation encrypted_content encrypted_index encrypted_stdout
   page_age tool_use_id is_error signature stdout stderr return_code error_code retrieved_at caller tool_id server_name
   choices message delta finish_reason native_finish_reason stop_reason stop_sequence usage prompt_tokens completion_tokens
   total_tokens prompt_tokens_details completion_tokens_details cached_tokens audio_tokens reasoning_tokens
   accepted_prediction_tokens rejected_prediction_tokens image_tokens text_tokens input_tokens output_tokens
   cache_creation_input_tokens cache_read_input_tokens cache_creation ephemeral_5m_input_tokens ephemeral_1h_input_tokens
   server_tool_use web_search_requests web_fetch_requests cost cost_details is_byok system_fingerprint obfuscation transcript
   expires_at images image video b64_json error code param content_filter_results prompt_filter_results token logprob bytes
   description parameters input_schema input_examples properties required items additionalProperties enum const default
   examples pattern minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength minItems maxItems
   uniqueItems minProperties maxProperties anyOf oneOf allOf not if then else $ref $defs definitions $schema $id nullable
   patternProperties propertyNames prefixItems contains readOnly writeOnly deprecated max_uses allowed_domains
   blocked_domains display_width_px display_height_px display_number max_characters defer_loading eager_input_streaming
   grammar syntax definition disable_parallel_tool_use`.split(/\s+/),
);
